//! From a delivery to the bytes of a mail. lettre makes headers and parts; everything it would panic on or
//! quietly change is checked or settled before.

use std::collections::BTreeMap;

use lettre::{
    Address as MailAddress,
    message::{
        Mailbox, Mailboxes, MultiPart, SinglePart,
        header::{
            Cc, Date, From as FromHeader, Header, HeaderName, HeaderValue, Headers, MIME_VERSION_1_0, MessageId,
            ReplyTo, Subject, To,
        },
    },
};
use postrider_domain::{
    Address, Attachment, Delivery, Email, Failure, Reason,
    address::normalise,
    message_rules::{Concern, check_email},
};

mod encode;
mod parts;

use parts::{alternative_part, attachment_part, text_body};

/// A mail ready for the wire, for one recipient.
pub(super) struct Mail {
    /// The envelope's sender, its domain in ASCII.
    pub(super) from: String,
    /// The envelope's recipient, its domain in ASCII.
    pub(super) to: String,
    /// The message, dots stuffed, with the final dot.
    pub(super) wire: Vec<u8>,
    /// The message's own bytes, as SIZE counts them.
    pub(super) size: usize,
    /// An address in it has letters beyond ASCII before the @: the relay must offer SMTPUTF8.
    pub(super) needs_utf8: bool,
    /// The sender is the configured one and not upstream's.
    pub(super) sender_is_configured: bool,
}

impl Mail {
    /// Builds the mail. All recipients of an event get the same headers, except that an address with letters
    /// beyond ASCII before its @ is named only to recipients (or by senders) that need SMTPUTF8 themselves: named to
    /// others, it would make the mail undeliverable on the first hop that lacks the extension.
    ///
    /// # Errors
    /// What makes this mail impossible, for every attempt.
    pub(super) fn build(delivery: &Delivery, configured_from: &Address) -> Result<Self, Failure> {
        let email = delivery.event.email.as_ref().ok_or_else(|| invalid("the event has no email part"))?;
        let problems: Vec<String> = check_email(email)
            .into_iter()
            .filter(|problem| problem.concern == Concern::Message)
            .map(|problem| format!("{} {}", problem.pointer, problem.detail))
            .collect();
        if !problems.is_empty() {
            return Err(invalid(problems.join("; ")));
        }
        let to = split(&delivery.recipient)
            .ok_or_else(|| Failure::new(Reason::InvalidAddress, "the recipient is no mail address"))?;
        let sender = email.from.as_ref().unwrap_or(configured_from);
        let from = split(&sender.address).ok_or_else(|| invalid("/email/from/address is no mail address"))?;
        let needs_utf8 = !to.0.is_ascii() || !from.0.is_ascii();
        let names = Names { needs_utf8 };
        let mut headers = Headers::new();
        set_addresses(&mut headers, email, sender, &names);
        headers.set(Date::now());
        headers.set(MessageId::from(format!("<{}@{}>", delivery.message_id_local(), from.1)));
        set_texts(&mut headers, email)?;
        headers.set(MIME_VERSION_1_0);
        let mut message = headers.to_string().into_bytes();
        message.extend(body(email)?.formatted());
        Ok(Self {
            from: format!("{}@{}", from.0, from.1),
            to: format!("{}@{}", to.0, to.1),
            wire: encode::with_final_dot(&message),
            size: message.len(),
            needs_utf8,
            sender_is_configured: email.from.is_none(),
        })
    }
}

fn invalid(text: impl AsRef<str>) -> Failure {
    Failure::new(Reason::InvalidMessage, text)
}

/// Local part and domain; the domain in ASCII, which every relay can read.
fn split(address: &str) -> Option<(String, String)> {
    let address = normalise(address).ok()?;
    let (local, domain) = address.rsplit_once('@')?;
    Some((local.to_owned(), idna::domain_to_ascii(domain).ok()?))
}

/// Turns addresses into mailboxes, leaving out what cannot stand in this mail's headers.
struct Names {
    needs_utf8: bool,
}

impl Names {
    fn mailbox(&self, address: &Address) -> Option<Mailbox> {
        let (local, domain) = split(&address.address)?;
        if !local.is_ascii() && !self.needs_utf8 {
            return None;
        }
        let name = address.name.as_deref().map(str::trim).filter(|name| !name.is_empty());
        Some(Mailbox::new(name.map(str::to_owned), MailAddress::new_dangerous(local, domain)))
    }

    /// `None` if none is left: an empty address list is no valid header.
    fn mailboxes(&self, addresses: &[Address]) -> Option<Mailboxes> {
        let mailboxes: Vec<Mailbox> = addresses.iter().filter_map(|address| self.mailbox(address)).collect();
        (!mailboxes.is_empty()).then(|| Mailboxes::from(mailboxes))
    }
}

fn set_addresses(headers: &mut Headers, email: &Email, sender: &Address, names: &Names) {
    if let Some(from) = names.mailbox(sender) {
        headers.set(FromHeader::from(Mailboxes::from(from)));
    }
    if let Some(reply_to) = names.mailboxes(&email.reply_to) {
        headers.set(ReplyTo::from(reply_to));
    }
    let to = names.mailboxes(&email.to);
    let cc = names.mailboxes(&email.cc);
    if to.is_none() && cc.is_none() {
        // Only bcc: RFC 5322 needs no To, but relays and filters look askance at a mail without one.
        let nobody = "undisclosed-recipients:;".to_owned();
        let name = HeaderName::new_from_ascii_str("To");
        headers.insert_raw(HeaderValue::dangerous_new_pre_encoded(name, nobody.clone(), nobody));
    }
    if let Some(to) = to {
        headers.set(To::from(to));
    }
    if let Some(cc) = cc {
        headers.set(Cc::from(cc));
    }
}

fn set_texts(headers: &mut Headers, email: &Email) -> Result<(), Failure> {
    if let Some(subject) = &email.subject {
        headers.insert_raw(subject_header(subject));
    }
    // Keeps out-of-office replies from answering a machine (RFC 3834); upstream may say otherwise.
    let mut extra = BTreeMap::from([("Auto-Submitted", "auto-generated")]);
    if email.headers.keys().any(|name| name.eq_ignore_ascii_case("Auto-Submitted")) {
        extra.clear();
    }
    extra.extend(email.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    for (name, value) in extra {
        let header = HeaderName::new_from_ascii(name.to_owned())
            .map_err(|_| invalid("/email/headers has a name that is no header name"))?;
        headers.insert_raw(HeaderValue::new(header, value.to_owned()));
    }
    Ok(())
}

/// lettre writes ASCII as it is, so what looks like an encoded word (RFC 2047) would be decoded by the reader and show
/// something that upstream did not write: such a subject is encoded as a whole. Display names it encodes itself, and an
/// extra header's value is upstream's own form (a URL in it may hold `=?`).
fn subject_header(subject: &str) -> HeaderValue {
    if !subject.contains("=?") {
        return Subject::from(subject.to_owned()).display();
    }
    HeaderValue::dangerous_new_pre_encoded(Subject::name(), subject.to_owned(), encode::words(subject))
}

/// A part or a tree of parts; lettre keeps its own type for this to itself.
enum Node {
    Single(SinglePart),
    Multi(MultiPart),
}

impl Node {
    fn formatted(&self) -> Vec<u8> {
        match self {
            Self::Single(part) => part.formatted(),
            Self::Multi(parts) => parts.formatted(),
        }
    }

    fn into(self, parts: MultiPart) -> MultiPart {
        match self {
            Self::Single(part) => parts.singlepart(part),
            Self::Multi(part) => parts.multipart(part),
        }
    }
}

/// `mixed(alternative(text, related(html, images…), alternatives…), files…)`, every level only where it has more than
/// one part. Images without HTML that could refer to them are files.
fn body(email: &Email) -> Result<Node, Failure> {
    let (inline, files): (Vec<&Attachment>, Vec<&Attachment>) =
        email.attachments.iter().partition(|attachment| email.html.is_some() && attachment.content_id.is_some());
    let mut renderings = Vec::new();
    if let Some(text) = &email.text {
        renderings.push(Node::Single(SinglePart::plain(text_body(text)?)));
    }
    if let Some(html) = &email.html {
        let mut related = vec![Node::Single(SinglePart::html(text_body(html)?))];
        for image in inline {
            related.push(Node::Single(attachment_part(image)?));
        }
        renderings.extend(join(MultiPart::related().build(), related));
    }
    for alternative in &email.alternatives {
        renderings.push(Node::Single(alternative_part(alternative)?));
    }
    let mut parts: Vec<Node> = join(MultiPart::alternative().build(), renderings).into_iter().collect();
    for file in files {
        parts.push(Node::Single(attachment_part(file)?));
    }
    join(MultiPart::mixed().build(), parts).ok_or_else(|| invalid("/email/text is missing: the mail has no body"))
}

/// One part stays alone; several go under `parent`.
fn join(parent: MultiPart, mut parts: Vec<Node>) -> Option<Node> {
    match parts.len() {
        0 | 1 => parts.pop(),
        _ => Some(Node::Multi(parts.into_iter().fold(parent, |parent, part| part.into(parent)))),
    }
}

#[cfg(test)]
mod tests;
