//! Rules: when to misbehave, and how.

use std::{
    sync::{
        PoisonError, RwLock,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};

/// Where in a conversation a rule acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// When the connection is made.
    Greeting,
    /// At EHLO.
    Ehlo,
    /// At STARTTLS.
    Starttls,
    /// At AUTH.
    Auth,
    /// At MAIL FROM.
    Mail,
    /// At RCPT TO.
    Rcpt,
    /// At DATA.
    Data,
    /// After 354, before the message is read.
    Body,
    /// After the final dot.
    Dot,
    /// At RSET.
    Rset,
}

/// What to do instead of the usual answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// Answer this (line ends are added; several lines as one text with `\r\n` between). A 2xx at `Dot` records
    /// the mail.
    Reply(String),
    /// Answer this and close.
    ReplyAndClose(String),
    /// Wait, then answer as usual.
    Delay(Duration),
    /// Never answer.
    Hang,
    /// Write the usual answer one byte at a time with this pause.
    Drip(Duration),
    /// Close without an answer, recording nothing.
    Close,
    /// At `Dot`: record the mail, then close without an answer.
    StoreAndClose,
    /// Write these bytes as they are and go on.
    Raw(Vec<u8>),
    /// Answer as usual and write these bytes right behind, in the same segment.
    AndThen(Vec<u8>),
    /// Answer as usual; after a pause write these bytes, unasked, and close.
    AndLater(Duration, Vec<u8>),
    /// Answer as usual, then close.
    AnswerAndClose,
}

impl Act {
    /// A reply.
    #[must_use]
    pub fn reply(text: &str) -> Self {
        Self::Reply(text.to_owned())
    }
}

struct Rule {
    stage: Stage,
    recipient: Option<String>,
    connection: Option<u64>,
    left: AtomicU32,
    act: Act,
}

/// A rule in the making; [`act`](Self::act) puts it to work.
pub struct RuleBuilder<'a> {
    script: &'a Script,
    rule: Rule,
}

impl RuleBuilder<'_> {
    /// Only when the transaction names this recipient (from RCPT on).
    #[must_use]
    pub fn recipient(mut self, recipient: &str) -> Self {
        self.rule.recipient = Some(recipient.to_owned());
        self
    }

    /// Only on the nth connection, from 1.
    #[must_use]
    pub fn connection(mut self, number: u64) -> Self {
        self.rule.connection = Some(number);
        self
    }

    /// Only so many times.
    #[must_use]
    pub fn times(mut self, times: u32) -> Self {
        self.rule.left = AtomicU32::new(times);
        self
    }

    /// What to do; the rule is in force from now on.
    pub fn act(mut self, act: Act) {
        self.rule.act = act;
        self.script.rules.write().unwrap_or_else(PoisonError::into_inner).push(self.rule);
        self.script.any.store(true, Ordering::Release);
    }
}

/// The rules of a server. Without any the cost is one atomic load.
#[derive(Default)]
pub(super) struct Script {
    any: AtomicBool,
    rules: RwLock<Vec<Rule>>,
}

impl Script {
    pub(super) fn on(&self, stage: Stage) -> RuleBuilder<'_> {
        let rule = Rule { stage, recipient: None, connection: None, left: AtomicU32::new(u32::MAX), act: Act::Hang };
        RuleBuilder { script: self, rule }
    }

    pub(super) fn clear(&self) {
        self.any.store(false, Ordering::Release);
        self.rules.write().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// What the youngest fitting rule says, using it up once.
    pub(super) fn act(&self, stage: Stage, connection: u64, recipients: &[String]) -> Option<Act> {
        if !self.any.load(Ordering::Acquire) {
            return None;
        }
        let rules = self.rules.read().unwrap_or_else(PoisonError::into_inner);
        let rule = rules.iter().rev().find(|rule| {
            rule.stage == stage
                && rule.connection.is_none_or(|number| number == connection)
                && rule.recipient.as_ref().is_none_or(|recipient| recipients.contains(recipient))
                && rule.left.fetch_update(Ordering::AcqRel, Ordering::Acquire, |left| left.checked_sub(1)).is_ok()
        })?;
        Some(rule.act.clone())
    }
}
