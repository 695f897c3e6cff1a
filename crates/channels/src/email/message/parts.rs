//! The parts of a mail and how they are written.

use std::error::Error;

use lettre::message::{
    Body, SinglePart,
    header::{ContentDisposition, ContentId, ContentTransferEncoding, ContentType, Header, HeaderName, HeaderValue},
};
use postrider_domain::{Alternative, Attachment, Failure};

use super::{encode, invalid};

pub(super) fn alternative_part(alternative: &Alternative) -> Result<SinglePart, Failure> {
    let lower = alternative.content_type.to_ascii_lowercase();
    let is_utf8 = !lower.contains("charset=") || lower.contains("charset=utf-8") || lower.contains("charset=\"utf-8\"");
    let text = std::str::from_utf8(&alternative.content).ok().filter(|_| lower.starts_with("text/") && is_utf8);
    Ok(match text {
        Some(text) if lower.contains("charset=") => {
            SinglePart::builder().header(content_type(&alternative.content_type)?).body(text_body(text)?)
        }
        Some(text) => {
            let with_charset = format!("{}; charset=utf-8", alternative.content_type);
            SinglePart::builder().header(content_type(&with_charset)?).body(text_body(text)?)
        }
        None => SinglePart::builder()
            .header(content_type(&alternative.content_type)?)
            .body(base64_body(&alternative.content)?),
    })
}

pub(super) fn attachment_part(attachment: &Attachment) -> Result<SinglePart, Failure> {
    let body = match mail_body(attachment) {
        Some(body) => body,
        None => base64_body(&attachment.content)?,
    };
    let mut part = SinglePart::builder();
    if let Some(id) = &attachment.content_id {
        part = part.header(ContentId::from(format!("<{id}>")));
    }
    let (filename, is_inline) = (attachment.filename.as_str(), attachment.content_id.is_some());
    part = match filename {
        "" => part.header(ContentDisposition::inline()),
        name if name.contains("=?") => part.header(EncodedName::new(is_inline, name)),
        name if is_inline => part.header(ContentDisposition::inline_with_name(name)),
        name => part.header(ContentDisposition::attachment(name)),
    };
    Ok(part.header(content_type(&attachment.content_type)?).body(body))
}

/// A mail that travels as an attachment may not be encoded (RFC 2046, 5.2.1), readers would show its base64: as 7bit where
/// it is, which it almost always is.
fn mail_body(attachment: &Attachment) -> Option<Body> {
    if !attachment.content_type.to_ascii_lowercase().starts_with("message/") {
        return None;
    }
    let text = std::str::from_utf8(&attachment.content).ok().filter(|text| !text.contains('\0'))?;
    Body::new_with_encoding(encode::crlf(text), ContentTransferEncoding::SevenBit).ok()
}

fn content_type(text: &str) -> Result<MediaType, Failure> {
    let is_line = text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ');
    is_line.then(|| MediaType(text.to_owned())).ok_or_else(|| invalid("a content_type has control characters"))
}

/// As upstream wrote it: its form is checked with the notification. lettre's own type takes less than RFC 2045 has: no blank
/// before a `;`, no empty value.
#[derive(Clone)]
struct MediaType(String);

impl Header for MediaType {
    fn name() -> HeaderName {
        ContentType::name()
    }

    fn parse(text: &str) -> Result<Self, Box<dyn Error + Send + Sync>> {
        Ok(Self(text.to_owned()))
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), self.0.clone())
    }
}

/// A name in ASCII that lettre would write as it is, but that readers would take for an encoded word and show as another.
#[derive(Clone)]
struct EncodedName(String);

impl EncodedName {
    fn new(is_inline: bool, name: &str) -> Self {
        let kind = if is_inline { "inline" } else { "attachment" };
        Self(format!("{kind};{}", encode::parameter("filename", name)))
    }
}

impl Header for EncodedName {
    fn name() -> HeaderName {
        ContentDisposition::name()
    }

    fn parse(text: &str) -> Result<Self, Box<dyn Error + Send + Sync>> {
        Ok(Self(text.to_owned()))
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::dangerous_new_pre_encoded(Self::name(), self.0.clone(), self.0.clone())
    }
}

/// As plain as it can be. NUL, which lettre lets pass as 7bit, is no character of a mail (RFC 2045, 2.7): relays refuse it or
/// cut the mail there.
pub(super) fn text_body(text: &str) -> Result<Body, Failure> {
    let text = encode::crlf(text);
    if text.contains('\0') {
        return Body::new_with_encoding(text, ContentTransferEncoding::QuotedPrintable)
            .map_err(|_| invalid("a text cannot be encoded"));
    }
    Ok(Body::new(text))
}

/// Always base64: bytes of a file must arrive as they are, whatever line ends are in them.
fn base64_body(content: &[u8]) -> Result<Body, Failure> {
    Body::new_with_encoding(content.to_vec(), ContentTransferEncoding::Base64)
        .map_err(|_| invalid("an attachment cannot be encoded"))
}
