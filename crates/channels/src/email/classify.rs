//! From what happened to an answer. Replies are read by a table, top to bottom, the first line that fits decides.
//!
//! Four choices that are ours:
//! - **A refused sender** is `misconfigured` if it is the configured one: every mail would be refused, so the
//!   destination stops and nothing is burned. A sender that upstream named is that mail's own fault: `permanent`.
//! - **"Relaying denied" at RCPT** is `permanent` for that recipient, though missing credentials are a common cause: a
//!   relay for internal domains says it to every outside address, and one such recipient must not stop the
//!   lane. Dead letters can be sent again; a stopped lane delays everybody.
//! - **Credentials asked for at RCPT**, or a refusal of this machine, are `misconfigured`, with the word that it may concern
//!   that recipient alone: a relay may want them for outside addresses only, or pass on another relay's word.
//! - **5xx at the greeting or EHLO** is `misconfigured`: no recipient has been named yet, it is about us.

use postrider_domain::{Answer, Failure, Reason};

use super::{
    fault::{Fault, FaultKind, Stage},
    reply::Reply,
};

mod table;

pub(super) use table::refuses_utf8;
use table::{Class, judge};

/// The answer to a conversation that did not end in an accepted mail.
pub(super) fn classify(fault: &Fault, sender_is_configured: bool, host: &str) -> Answer {
    let stage = fault.stage.as_str();
    match &fault.kind {
        FaultKind::Refused(reply) => refused(fault.stage, reply, sender_is_configured),
        FaultKind::Setup { reason, remedy, detail } => Answer::Misconfigured { failure: mend(*reason, remedy, detail) },
        FaultKind::Unfit { reason, text } => Answer::Permanent { failure: Failure::new(*reason, text) },
        FaultKind::Closed => {
            lost(fault.stage, Reason::Disconnected, format!("{host} closed the connection during {stage}"))
        }
        FaultKind::Broken(error) if fault.stage == Stage::Connect => {
            lost(fault.stage, Reason::Connect, format!("cannot connect to {host}: {error}"))
        }
        FaultKind::Broken(error) => {
            lost(fault.stage, Reason::Disconnected, format!("the connection to {host} broke during {stage}: {error}"))
        }
        FaultKind::Garbled(problem) => {
            lost(fault.stage, Reason::Protocol, format!("{host} answered {stage} with {problem}"))
        }
        FaultKind::TimedOut => {
            let hint = match fault.stage {
                Stage::Greeting => "; if it expects TLS from the first byte, set email.tls to \"implicit\"",
                Stage::Connect
                | Stage::Ehlo
                | Stage::Tls
                | Stage::Auth
                | Stage::Mail
                | Stage::Rcpt
                | Stage::Data
                | Stage::Body
                | Stage::Reply => "",
            };
            lost(fault.stage, Reason::Timeout, format!("{host} took longer than allowed for {stage}{hint}"))
        }
    }
}

/// After the final dot the relay may have accepted the mail; before it, it cannot have.
fn lost(stage: Stage, reason: Reason, text: String) -> Answer {
    if stage == Stage::Reply {
        return Answer::Unknown { failure: Failure::new(Reason::LostReply, text) };
    }
    Answer::Transient { failure: Failure::new(reason, text), retry_after: None }
}

fn refused(stage: Stage, reply: &Reply, sender_is_configured: bool) -> Answer {
    let (class, reason) = judge(stage, reply);
    let text = reply.text();
    let failure = Failure::new(reason, &text);
    let failure = if stage == Stage::Rcpt { failure.at_recipient() } else { failure };
    match class {
        Class::Transient => Answer::Transient { failure, retry_after: None },
        Class::Throttled => Answer::Throttled { failure, retry_after: None },
        Class::Permanent => Answer::Permanent { failure },
        Class::Misconfigured => {
            let failure = refusal_of_us(reason, &text);
            Answer::Misconfigured { failure: if stage == Stage::Rcpt { failure.at_recipient() } else { failure } }
        }
        Class::Sender if sender_is_configured => Answer::Misconfigured { failure: refusal_of_us(reason, &text) },
        Class::Sender => Answer::Permanent { failure },
        Class::Unknown => Answer::Unknown { failure },
    }
}

/// The reply with what to do about it.
fn refusal_of_us(reason: Reason, reply: &str) -> Failure {
    let remedy = match reason {
        Reason::Auth => "the mail relay refused the credentials: check email.username and email.password_file",
        Reason::Tls => "the mail relay wants TLS: check email.tls and email.port",
        Reason::SenderRejected => "the mail relay refused the sender: set email.from to an address it accepts from us",
        Reason::Protocol => {
            "the mail relay refused EHLO, or a parameter of MAIL that it had offered: ask its operator, or use another"
        }
        Reason::Connect
        | Reason::Timeout
        | Reason::Disconnected
        | Reason::RateLimited
        | Reason::Unavailable
        | Reason::MailboxFull
        | Reason::TryLater
        | Reason::UnknownRecipient
        | Reason::Forbidden
        | Reason::Policy
        | Reason::TooLarge
        | Reason::InvalidMessage
        | Reason::InvalidAddress
        | Reason::LostReply
        | Reason::Bug
        | Reason::Other => "the mail relay does not serve us: check email.host and whether it allows this machine",
    };
    mend(reason, remedy, reply)
}

fn mend(reason: Reason, remedy: &str, detail: &str) -> Failure {
    let answer = if detail.is_empty() { remedy.to_owned() } else { format!("{remedy} ({detail})") };
    Failure::new(reason, answer).with_remedy(remedy)
}

#[cfg(test)]
mod tests;
