//! One mail over a ready connection: MAIL, RCPT, DATA, the message, the final dot.

use std::time::Duration;

use postrider_domain::{Permit, Reason};
use tokio::time::timeout;

use super::{
    classify::refuses_utf8,
    connection::Connection,
    dialogue::DialogueLine,
    fault::{Fault, FaultKind, Stage},
    message::Mail,
    reply::{Reply, ReplyProblem},
    settings::Deadlines,
    wire::{Wire, within},
};

/// How long a relay that closed in the middle of a message is listened to for its reason.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// A transaction that went to its end.
pub(super) enum Done {
    /// 2xx after the final dot, and nothing beside it.
    Accepted {
        /// The relay's words.
        reply: String,
        /// It said at once that it closes the connection.
        closing: bool,
    },
    /// The permit was refused; nothing of the message was written. The connection waits for a message and must be
    /// closed.
    NotPermitted,
}

/// A transaction that did not.
pub(super) struct Ended {
    pub(super) fault: Fault,
    /// The relay closed before it answered the first command: on a kept connection that is an idle timeout.
    pub(super) stale: bool,
    /// Nothing but a clear refusal happened; the connection can be used again.
    pub(super) connection_is_clean: bool,
}

impl From<Fault> for Ended {
    fn from(fault: Fault) -> Self {
        Self { fault, stale: false, connection_is_clean: false }
    }
}

/// One transaction. Dropped at any point it leaves the connection where it was, which its owner then closes.
pub(super) async fn run(
    connection: &mut Connection,
    mail: &Mail,
    permit: &Permit,
    deadlines: &Deadlines,
) -> Result<Done, Ended> {
    if let Some(fault) = unfit(connection, mail) {
        return Err(Ended { fault, stale: false, connection_is_clean: true });
    }
    envelope(connection, mail, deadlines).await?;
    let reply = within(Stage::Data, deadlines.data, Connection::command(&mut connection.wire, "DATA")).await?;
    if reply.code != 354 {
        return Err(refused(connection, Stage::Data, reply));
    }
    connection.wire.look_quiet().map_err(|kind| Fault::new(Stage::Data, kind))?;
    if !permit.begin() {
        return Ok(Done::NotPermitted);
    }
    message(connection, mail, deadlines).await
}

/// What this mail needs and this relay lacks, known before a word is said.
fn unfit(connection: &Connection, mail: &Mail) -> Option<Fault> {
    let offers = &connection.offers;
    if mail.needs_utf8 && !offers.smtputf8 {
        let text = "the address has letters beyond ASCII before the @, and the relay does not offer SMTPUTF8";
        return Some(Fault::unfit(Stage::Mail, Reason::InvalidAddress, text));
    }
    let limit = offers.size.flatten()?;
    if mail.size <= limit {
        return None;
    }
    let text = format!("the mail has {} bytes, the relay takes {limit}", mail.size);
    Some(Fault::unfit(Stage::Mail, Reason::TooLarge, text))
}

/// MAIL and RCPT, in one write where the relay offers PIPELINING. DATA is never said before RCPT was accepted.
async fn envelope(connection: &mut Connection, mail: &Mail, deadlines: &Deadlines) -> Result<(), Ended> {
    let mail_line = mail_line(connection, mail);
    let rcpt_line = format!("RCPT TO:<{}>\r\n", mail.to);
    let pipelining = connection.offers.pipelining;
    let reset = std::mem::take(&mut connection.needs_reset);
    let wire = &mut connection.wire;
    let first = async {
        wire.expect_nothing_unasked()?;
        if reset && !pipelining {
            reset_alone(wire).await?;
        }
        let reset = reset && pipelining;
        let mut out = String::with_capacity(mail_line.len() + rcpt_line.len() + 6);
        out.push_str(if reset { "RSET\r\n" } else { "" });
        out.push_str(&mail_line);
        out.push_str(if pipelining { &rcpt_line } else { "" });
        for line in out.lines() {
            wire.tell(|| DialogueLine::Sent(line.to_owned()));
        }
        wire.write(out.as_bytes()).await?;
        // A connection that cannot be reset is as good as closed: nothing was sent, a fresh one takes over.
        if reset && !wire.reply().await?.is_done() {
            return Err(FaultKind::Closed);
        }
        wire.reply().await
    };
    let reply = match within(Stage::Mail, deadlines.mail, first).await {
        Ok(reply) => reply,
        Err(fault) => {
            let stale = matches!(fault.kind, FaultKind::Closed | FaultKind::Broken(_));
            return Err(Ended { stale, ..Ended::from(fault) });
        }
    };
    if !reply.is_done() {
        let mut ended = mail_refused(connection, reply, pipelining, deadlines).await;
        ended.fault = blamed_on_utf8(ended.fault, mail);
        return Err(ended);
    }
    let wire = &mut connection.wire;
    let second = async {
        if !pipelining {
            wire.expect_nothing_unasked()?;
            wire.tell(|| DialogueLine::Sent(rcpt_line.trim_end().to_owned()));
            wire.write(rcpt_line.as_bytes()).await?;
        }
        wire.reply().await
    };
    let reply = within(Stage::Rcpt, deadlines.rcpt, second).await?;
    if reply.is_done() { Ok(()) } else { Err(refused(connection, Stage::Rcpt, reply)) }
}

/// A relay that offered SMTPUTF8 and then does not take it refuses this mail, not us.
fn blamed_on_utf8(fault: Fault, mail: &Mail) -> Fault {
    match fault.kind {
        FaultKind::Refused(reply) if mail.needs_utf8 && refuses_utf8(&reply) => {
            Fault::unfit(Stage::Mail, Reason::InvalidAddress, reply.text())
        }
        kind => Fault { kind, ..fault },
    }
}

/// RSET and its reply, for a relay that reads one command at a time: some cut off who talks ahead.
async fn reset_alone(wire: &mut Wire) -> Result<(), FaultKind> {
    if Connection::command(wire, "RSET").await?.is_done() { Ok(()) } else { Err(FaultKind::Closed) }
}

fn mail_line(connection: &Connection, mail: &Mail) -> String {
    let mut line = format!("MAIL FROM:<{}>", mail.from);
    if connection.offers.size.is_some() {
        line.push_str(&format!(" SIZE={}", mail.size));
    }
    if mail.needs_utf8 {
        line.push_str(if connection.offers.eight_bit { " BODY=8BITMIME SMTPUTF8" } else { " SMTPUTF8" });
    }
    line.push_str("\r\n");
    line
}

/// A refused MAIL. With PIPELINING the answer to RCPT is on its way and must be heard, or the next mail reads it.
async fn mail_refused(connection: &mut Connection, reply: Reply, pipelining: bool, deadlines: &Deadlines) -> Ended {
    let closing = reply.code == 421;
    let mut in_step = true;
    if pipelining && !closing {
        in_step = within(Stage::Rcpt, deadlines.rcpt, connection.wire.reply()).await.is_ok();
    }
    let mut ended = refused(connection, Stage::Mail, reply);
    ended.stale = closing;
    ended.connection_is_clean &= in_step;
    ended
}

/// A reply that is not the one we need: the connection stays good only after a plain 4xx or 5xx that neither
/// closes it (421) nor doubts our place in the conversation (500 to 503).
fn refused(connection: &mut Connection, stage: Stage, reply: Reply) -> Ended {
    let plain = matches!(reply.code, 400..=499 | 504..=599) && reply.code != 421;
    connection.needs_reset = stage != Stage::Reply;
    let connection_is_clean = plain && connection.wire.unasked().is_empty();
    Ended { fault: Fault::new(stage, FaultKind::Refused(reply)), stale: false, connection_is_clean }
}

/// The message with its final dot, and the reply that decides.
async fn message(connection: &mut Connection, mail: &Mail, deadlines: &Deadlines) -> Result<Done, Ended> {
    connection.wire.tell(|| DialogueLine::Sent(format!("(the message, {} bytes)", mail.size)));
    connection.wire.tell(|| DialogueLine::Sent(".".to_owned()));
    if let Err(fault) = within(Stage::Body, deadlines.body, connection.wire.write_message(&mail.wire)).await {
        return Err(last_words(connection, fault).await);
    }
    connection.count_message();
    let reply = within(Stage::Reply, deadlines.reply, connection.wire.reply()).await?;
    let unasked = connection.wire.unasked();
    let closing = match Reply::parse(unasked) {
        _ if unasked.is_empty() => false,
        Ok(Some((next, _))) if next.code == 421 => true,
        // The beginning of a goodbye: what was said of the mail does not depend on how the network cuts it up.
        Ok(None) if unasked.iter().zip(b"421").all(|(said, goodbye)| said == goodbye) => true,
        // Two replies to one final dot: which is the true one cannot be known.
        Ok(_) | Err(_) => return Err(Fault::new(Stage::Reply, FaultKind::Garbled(ReplyProblem::Unasked)).into()),
    };
    if reply.is_done() {
        return Ok(Done::Accepted { reply: reply.text(), closing });
    }
    Err(refused(connection, Stage::Reply, reply))
}

/// The relay stopped taking the message before its end, or answered before it, so it accepted nothing. Often it said why
/// (too large).
async fn last_words(connection: &mut Connection, fault: Fault) -> Ended {
    if matches!(fault.kind, FaultKind::Broken(_) | FaultKind::Garbled(ReplyProblem::Unasked))
        && let Ok(Ok(reply)) = timeout(LAST_WORDS, connection.wire.reply()).await
        && matches!(reply.code, 400..=599)
    {
        return Ended::from(Fault::new(Stage::Body, FaultKind::Refused(reply)));
    }
    fault.into()
}
