//! From nothing to a connection that is ready for mail: connect, greeting, EHLO, STARTTLS, AUTH.

use std::{io, net::SocketAddr};

use base64::{Engine, prelude::BASE64_STANDARD};
use postrider_domain::Reason;
use tokio::{
    net::{TcpStream, lookup_host},
    time::timeout,
};

use super::{
    connection::{Connection, Offers},
    dialogue::{DialogueLine, DialogueSink},
    fault::{Fault, FaultKind, Stage},
    reply::Reply,
    settings::{Credentials, EmailSettings, TlsMode},
    stream::Stream,
    tls::Connector,
    wire::{Wire, within},
};

/// Addresses of the relay's name that are tried for one connection.
const ADDRESSES_MAX: usize = 8;

/// Opens a connection, up to the point where MAIL may be said.
pub(super) async fn open(
    settings: &EmailSettings,
    connector: &Connector,
    sink: Option<DialogueSink>,
) -> Result<Connection, Fault> {
    let deadlines = &settings.deadlines;
    let stream = within(Stage::Connect, deadlines.connect, connect(settings)).await?;
    let hello = hello_line(stream.local_addr().ok());
    let stream = match settings.tls {
        TlsMode::Implicit => {
            let tls = within(Stage::Tls, deadlines.tls, connector.handshake(stream)).await?;
            Stream::Tls(Box::new(tls))
        }
        TlsMode::Starttls | TlsMode::None => Stream::Plain(stream),
    };
    let mut wire = Wire::new(stream, sink);
    wire.tell(|| DialogueLine::Note(format!("connected to {}:{}", settings.host, settings.port)));
    let greeting = within(Stage::Greeting, deadlines.greeting, wire.reply()).await?;
    expect(Stage::Greeting, greeting, 220)?;
    let mut offers = ehlo(&mut wire, &hello, settings).await?;
    if settings.tls == TlsMode::Starttls {
        wire = starttls(wire, &offers, settings, connector).await?;
        offers = ehlo(&mut wire, &hello, settings).await?;
    }
    if let Some(credentials) = &settings.credentials {
        within(Stage::Auth, deadlines.auth, authenticate(&mut wire, &offers, credentials)).await?;
    }
    Ok(Connection::new(wire, offers))
}

/// Tries every address of the name, each with its share of the deadline: one that swallows packets must not keep us
/// from the others.
async fn connect(settings: &EmailSettings) -> Result<TcpStream, FaultKind> {
    let found = lookup_host((settings.host.as_str(), settings.port)).await.map_err(FaultKind::Broken)?;
    let addresses: Vec<SocketAddr> = found.take(ADDRESSES_MAX).collect();
    let share = settings.deadlines.connect / u32::try_from(addresses.len().max(1)).unwrap_or(1);
    let mut failure = FaultKind::Broken(io::Error::other("the name has no address"));
    for address in addresses {
        match timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                // Without it the last segment of a mail waits for a delayed acknowledgement: 40 ms a mail.
                stream.set_nodelay(true).map_err(FaultKind::Broken)?;
                return Ok(stream);
            }
            Ok(Err(error)) => failure = FaultKind::Broken(error),
            Err(_) => failure = FaultKind::TimedOut,
        }
    }
    Err(failure)
}

/// EHLO with our address as a literal (RFC 5321, 4.1.3): always true, where a configured name often is not.
fn hello_line(local: Option<SocketAddr>) -> String {
    match local {
        Some(SocketAddr::V4(address)) => format!("EHLO [{}]", address.ip()),
        Some(SocketAddr::V6(address)) => format!("EHLO [IPv6:{}]", address.ip()),
        None => "EHLO [127.0.0.1]".to_owned(),
    }
}

async fn ehlo(wire: &mut Wire, hello: &str, settings: &EmailSettings) -> Result<Offers, Fault> {
    let reply = within(Stage::Ehlo, settings.deadlines.ehlo, Connection::command(wire, hello)).await?;
    Ok(Offers::read(&expect(Stage::Ehlo, reply, 250)?))
}

async fn starttls(
    mut wire: Wire,
    offers: &Offers,
    settings: &EmailSettings,
    connector: &Connector,
) -> Result<Wire, Fault> {
    if !offers.starttls {
        let text = "the relay does not offer STARTTLS: set email.tls to \"implicit\" (usually port 465), or to \"none\" if \
                    the way to it is trusted";
        return Err(Fault::setup(Stage::Tls, Reason::Tls, text));
    }
    let deadline = settings.deadlines.tls;
    let reply = within(Stage::Tls, deadline, Connection::command(&mut wire, "STARTTLS")).await?;
    expect(Stage::Tls, reply, 220)?;
    // Bytes that came before the handshake were not protected by it and must not be read as if they were.
    wire.expect_nothing_unasked().map_err(|kind| Fault::new(Stage::Tls, kind))?;
    let (stream, sink) = wire.into_parts();
    let Stream::Plain(stream) = stream else {
        unreachable!("STARTTLS is said only over a plain stream");
    };
    let tls = within(Stage::Tls, deadline, connector.handshake(stream)).await?;
    let wire = Wire::new(Stream::Tls(Box::new(tls)), sink);
    wire.tell(|| DialogueLine::Note("TLS established".to_owned()));
    Ok(wire)
}

async fn authenticate(wire: &mut Wire, offers: &Offers, credentials: &Credentials) -> Result<(), FaultKind> {
    let password = credentials.password.reveal();
    wire.hide(password.to_owned());
    wire.hide(BASE64_STANDARD.encode(password));
    let offered = |mechanism: &str| offers.auth.iter().any(|name| name == mechanism);
    let reply = if offered("PLAIN") {
        let token = BASE64_STANDARD.encode(format!("\0{}\0{password}", credentials.username));
        wire.hide(token.clone());
        wire.tell(|| DialogueLine::Sent("AUTH PLAIN ***".to_owned()));
        Connection::command_unseen(wire, &format!("AUTH PLAIN {token}")).await?
    } else if offered("LOGIN") {
        login(wire, credentials).await?
    } else {
        let remedy = format!(
            "email.username is set, but the relay offers {} and Postrider speaks AUTH PLAIN and LOGIN: check email.port \
             and email.tls (many relays offer AUTH only over TLS), or remove email.username",
            if offers.auth.is_empty() { "no AUTH" } else { "other kinds of AUTH" }
        );
        let detail = if offers.auth.is_empty() { String::new() } else { format!("AUTH {}", offers.auth.join(" ")) };
        return Err(FaultKind::Setup { reason: Reason::Auth, remedy, detail });
    };
    if reply.is_done() { Ok(()) } else { Err(FaultKind::Refused(reply)) }
}

async fn login(wire: &mut Wire, credentials: &Credentials) -> Result<Reply, FaultKind> {
    let mut reply = Connection::command(wire, "AUTH LOGIN").await?;
    for answer in [credentials.username.as_str(), credentials.password.reveal()] {
        if reply.code != 334 {
            return Err(FaultKind::Refused(reply));
        }
        wire.tell(|| DialogueLine::Sent("***".to_owned()));
        reply = Connection::command_unseen(wire, &BASE64_STANDARD.encode(answer)).await?;
    }
    Ok(reply)
}

fn expect(stage: Stage, reply: Reply, code: u16) -> Result<Reply, Fault> {
    if reply.code == code { Ok(reply) } else { Err(Fault::new(stage, FaultKind::Refused(reply))) }
}
