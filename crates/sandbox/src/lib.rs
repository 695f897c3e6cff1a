//! What `postrider dev` starts, so that the whole way of a notification can be watched on one machine with nothing
//! else installed: an in-process Kafka-protocol broker ([`Broker`]), a catch-all mail server ([`CatchAll`]), a
//! catch-all Slack endpoint and the page that shows what arrived ([`InboxPage`]), all over one bounded [`Inbox`].
//!
//! Everything here listens on loopback only (but for [`InboxPage::start_anywhere`], for containers), holds what it caught in memory only, and forgets it at exit. It is not
//! part of production: nothing here keeps the promises of the README beyond one process's life.
//!
//! ```no_run
//! # use std::{net::SocketAddr, sync::Arc};
//! # use postrider_sandbox::{Broker, CatchAll, Inbox, InboxLimits, InboxPage, SmtpLimits};
//! # async fn start(clock: Arc<dyn Fn() -> i64 + Send + Sync>) -> Result<(), Box<dyn std::error::Error>> {
//! let broker = Broker::start(12, &["notifications", "notifications.dead"])?;
//! let inbox = Inbox::new(InboxLimits::default(), clock);
//! let mail = CatchAll::start(SocketAddr::from(([127, 0, 0, 1], 1025)), inbox.clone(), SmtpLimits::default()).await?;
//! let page = InboxPage::start(SocketAddr::from(([127, 0, 0, 1], 8025)), inbox, "curl …".to_owned()).await?;
//! println!("Kafka {}, SMTP {}, inbox {}", broker.bootstrap_servers(), mail.address(), page.url());
//! # Ok(()) }
//! ```

mod backlog;
mod broker;
mod inbox;
mod listen;
mod page;
mod smtp;

pub use backlog::{Admission, BacklogGuard};
pub use broker::{Broker, BrokerError};
pub use inbox::{Body, Clock, Inbox, InboxCounts, InboxLimits, Mail, Message, Slack};
pub use listen::ListenError;
pub use page::InboxPage;
pub use smtp::{CatchAll, SmtpLimits};
