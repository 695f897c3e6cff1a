//! Email through an SMTP relay.
//!
//! lettre builds the MIME parts; the connections are ours, because what the product promises hangs on them: a
//! kept connection that saw anything unexpected is never used again, every stage has its own deadline, the permit
//! is asked between the relay's 354 and the first byte of the message, and the message leaves in one write with
//! its final dot. One recipient is one transaction.
//!
//! The way of one attempt: `message` builds and encodes, `pool` hands out a connection that `session` greeted,
//! secured and authenticated, `transaction` speaks MAIL to the final dot, `classify` reads the answer.

mod classify;
mod connection;
mod dialogue;
mod fault;
mod http_date;
mod message;
mod pool;
mod reply;
mod session;
mod settings;
mod stream;
mod tls;
mod transaction;
mod wire;

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use postrider_domain::{Answer, ChannelName, Delivery, DestinationName, Failure, Permit, Reason};

pub(crate) use self::http_date::http_date;
use self::{
    classify::classify,
    connection::Connection,
    fault::Fault,
    message::Mail,
    pool::Pool,
    transaction::{Done, Ended},
};
pub use self::{
    dialogue::{DialogueLine, DialogueSink},
    settings::{Credentials, Deadlines, EmailError, EmailSettings, TlsMode},
};
use crate::{Channel, Destination};

/// The email channel's one destination: its name is the metric label.
pub const DESTINATION: &str = "relay";

/// Mail through one relay, over at most `connections_max` kept connections.
pub struct EmailChannel {
    settings: Arc<EmailSettings>,
    pool: Arc<Pool>,
}

impl EmailChannel {
    /// Checks the settings and reads the CA file; opens no socket.
    ///
    /// # Errors
    /// What in the settings cannot work.
    pub fn new(settings: EmailSettings) -> Result<Self, EmailError> {
        settings.check()?;
        let connector = tls::Connector::new(&settings)?;
        let settings = Arc::new(settings);
        Ok(Self { pool: Pool::new(Arc::clone(&settings), connector), settings })
    }

    /// One attempt on a connection of its own that tells `sink` every line, credentials as `***` and the message as
    /// its size: for a person who wants to see what the relay says.
    pub async fn attempt_with_dialogue(&self, delivery: &Delivery, permit: &Permit, sink: DialogueSink) -> Answer {
        let mail = match Mail::build(delivery, &self.settings.from) {
            Ok(mail) => mail,
            Err(failure) => return Answer::Permanent { failure },
        };
        let mut connection = match self.pool.connect_apart(Some(sink)).await {
            Ok(connection) => connection,
            Err(fault) => return self.classify(&fault, &mail),
        };
        match transaction::run(&mut connection, &mail, permit, &self.settings.deadlines).await {
            Ok(done) => {
                connection.quit().await;
                answer_of(done)
            }
            Err(ended) => self.classify(&ended.fault, &mail),
        }
    }

    /// The transaction on a kept connection, or a fresh one. A kept one that the relay closed while it was idle
    /// costs one more try at once: nothing had been sent, and idle timeouts are no failures of the delivery.
    async fn deliver(&self, mail: &Mail, permit: &Permit) -> Answer {
        let Some(slot) = self.pool.slot().await else {
            let text = format!("all {} connections to the mail relay stayed busy", self.settings.connections_max);
            return Answer::Transient { failure: Failure::new(Reason::Timeout, text), retry_after: None };
        };
        let mut kept = self.pool.take_kept();
        loop {
            let fresh = kept.is_none();
            let mut connection = match kept.take() {
                Some(connection) => connection,
                None => match slot.connect().await {
                    Ok(connection) => connection,
                    Err(fault) => return self.classify(&fault, mail),
                },
            };
            match transaction::run(&mut connection, mail, permit, &self.settings.deadlines).await {
                Ok(done) => {
                    self.pool.keep(connection, &done);
                    return answer_of(done);
                }
                Err(Ended { stale: true, .. }) if !fresh => {}
                Err(ended) => return self.refused(connection, &ended, mail),
            }
        }
    }

    fn refused(&self, connection: Connection, ended: &Ended, mail: &Mail) -> Answer {
        if ended.connection_is_clean {
            self.pool.keep_clean(connection);
        }
        self.classify(&ended.fault, mail)
    }

    fn classify(&self, fault: &Fault, mail: &Mail) -> Answer {
        classify(fault, mail.sender_is_configured, &self.settings.host)
    }
}

fn answer_of(done: Done) -> Answer {
    match done {
        Done::Accepted { reply, .. } => Answer::Delivered { reply },
        Done::NotPermitted => Answer::NotPermitted,
    }
}

impl fmt::Debug for EmailChannel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmailChannel").field("settings", &self.settings).finish_non_exhaustive()
    }
}

#[async_trait]
impl Channel for EmailChannel {
    fn name(&self) -> ChannelName {
        ChannelName::Email
    }

    fn destinations(&self) -> Vec<Destination> {
        vec![Destination { name: DestinationName::new(DESTINATION), capacity: self.settings.connections_max }]
    }

    fn attempt_deadline(&self) -> Duration {
        self.settings.deadlines.attempt()
    }

    async fn attempt(&self, delivery: &Delivery, permit: &Permit) -> Answer {
        match Mail::build(delivery, &self.settings.from) {
            Ok(mail) => self.deliver(&mail, permit).await,
            Err(failure) => Answer::Permanent { failure },
        }
    }
}
