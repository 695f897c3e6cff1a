use super::*;

fn answer(stage: Stage, line: &str, sender_is_configured: bool) -> Answer {
    let (reply, _) = Reply::parse(format!("{line}\r\n").as_bytes()).unwrap().unwrap();
    classify(&Fault::new(stage, FaultKind::Refused(reply)), sender_is_configured, "relay.example.com")
}

#[track_caller]
fn check(stage: Stage, line: &str, result: &str, reason: Reason) {
    let answer = answer(stage, line, true);
    let failure = answer.failure().unwrap();
    assert_eq!((answer.result(), failure.reason), (Some(result), reason), "{stage:?} {line}");
    assert!(failure.answer.contains(line), "the relay's words are kept: {failure:?}");
    let is_senders = reason == Reason::SenderRejected && result == "misconfigured";
    assert_eq!(failure.at_recipient, stage == Stage::Rcpt && !is_senders, "{stage:?} {line}");
}

/// As Postfix, Exim, Sendmail, Exchange, Gmail, SES, Outlook and others say them.
#[test]
fn replies_of_real_relays() {
    use Stage::{Auth, Data, Ehlo, Greeting, Mail, Rcpt, Reply, Tls};
    let (transient, throttled, permanent, misconfigured) = ("transient", "throttled", "permanent", "misconfigured");
    for (stage, line, result, reason) in [
        (Greeting, "421 4.3.2 Service shutting down", transient, Reason::Unavailable),
        (
            Greeting,
            "421 4.7.0 mx.example.com Error: too many connections from 192.0.2.1",
            throttled,
            Reason::RateLimited,
        ),
        (Greeting, "421 Too many concurrent SMTP connections; please try again later.", throttled, Reason::RateLimited),
        (Greeting, "450 4.7.1 Client host rejected: cannot find your hostname", transient, Reason::Unavailable),
        (Greeting, "554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked", misconfigured, Reason::Forbidden),
        (Greeting, "554 No SMTP service here", misconfigured, Reason::Forbidden),
        (Ehlo, "501 Syntactically invalid EHLO argument(s)", misconfigured, Reason::Forbidden),
        (Ehlo, "502 5.5.2 Command not recognized", misconfigured, Reason::Protocol),
        (Ehlo, "451 4.3.0 Temporary lookup failure", transient, Reason::Unavailable),
        (Tls, "454 4.7.0 TLS not available due to local problem", transient, Reason::Tls),
        (Tls, "502 5.5.1 Command not implemented", misconfigured, Reason::Tls),
        (Auth, "535 5.7.8 Error: authentication failed: authentication failure", misconfigured, Reason::Auth),
        (Auth, "535 5.7.3 Authentication unsuccessful", misconfigured, Reason::Auth),
        (Auth, "535 Authentication Credentials Invalid", misconfigured, Reason::Auth),
        (Auth, "534 5.7.9 Application-specific password required", misconfigured, Reason::Auth),
        (Auth, "538 5.7.11 Encryption required for requested authentication mechanism", misconfigured, Reason::Tls),
        (Auth, "530 5.7.0 Must issue a STARTTLS command first", misconfigured, Reason::Tls),
        (Auth, "504 5.7.4 Unrecognized authentication type", misconfigured, Reason::Auth),
        (Auth, "432 4.3.2 Concurrent connections limit exceeded", throttled, Reason::RateLimited),
        (Reply, "432 4.3.2 STOREDRV.ClientSubmit; sender thread limit exceeded", throttled, Reason::RateLimited),
        (Rcpt, "452 4.2.2 The user has too many messages in the mailbox", transient, Reason::MailboxFull),
        (Rcpt, "450 4.2.1 The user is receiving too many messages", transient, Reason::TryLater),
        (Rcpt, "450 4.1.2 <throttle@example.com>: Domain not found", transient, Reason::TryLater),
        (Rcpt, "450 4.1.2 Domain ratelimit.example not found", transient, Reason::TryLater),
        (Auth, "432 4.7.12 A password transition is needed", misconfigured, Reason::Auth),
        (
            Auth,
            "454 4.7.0 Temporary authentication failure: Connection lost to authentication server",
            transient,
            Reason::Unavailable,
        ),
        (Auth, "421 4.7.0 Too many login attempts, rate limit reached", transient, Reason::Unavailable),
        (Mail, "530 5.7.0 Authentication Required", misconfigured, Reason::Auth),
        (Mail, "530 Must issue a STARTTLS command first", misconfigured, Reason::Tls),
        (Mail, "454 Throttling failure: Maximum sending rate exceeded.", throttled, Reason::RateLimited),
        (Mail, "454 Throttling failure: Daily message quota exceeded.", throttled, Reason::RateLimited),
        (Mail, "451 4.4.2 Timeout - closing connection", transient, Reason::Unavailable),
        (Mail, "452 4.3.1 Insufficient system storage", transient, Reason::Unavailable),
        (Mail, "450 4.1.8 <a@b.example>: Sender address rejected: Domain not found", transient, Reason::SenderRejected),
        (Mail, "552 5.3.4 Message size exceeds fixed limit", permanent, Reason::TooLarge),
        (
            Mail,
            "550 5.7.60 SMTP; Client does not have permissions to send as this sender",
            misconfigured,
            Reason::SenderRejected,
        ),
        (Mail, "553 5.1.8 Sender address rejected: not owned by user", misconfigured, Reason::SenderRejected),
        (Mail, "501 5.1.7 Bad sender address syntax", misconfigured, Reason::SenderRejected),
        (Mail, "503 5.5.1 Error: nested MAIL command", transient, Reason::Protocol),
        (Mail, "503 AUTH first (#5.5.1)", misconfigured, Reason::Auth),
        (Mail, "503 Error: need EHLO and AUTH first !", misconfigured, Reason::Auth),
        (Mail, "555 5.5.4 Unsupported option: SIZE", misconfigured, Reason::Protocol),
        (Mail, "501 5.5.4 Syntax error in parameters", misconfigured, Reason::Protocol),
        (Mail, "554 5.7.1 Client host [192.0.2.1] blocked using zen.example.org", misconfigured, Reason::Forbidden),
        (Mail, "550 5.7.1 too many connections", throttled, Reason::RateLimited),
        (
            Rcpt,
            "550 5.1.1 <x@example.com>: Recipient address rejected: User unknown in local recipient table",
            permanent,
            Reason::UnknownRecipient,
        ),
        (
            Rcpt,
            "550-5.1.1 The email account that you tried to reach does not exist.\r\n550 5.1.1 Learn more",
            permanent,
            Reason::UnknownRecipient,
        ),
        (Rcpt, "550 No such user here", permanent, Reason::UnknownRecipient),
        (Rcpt, "550 5.2.1 The email account that you tried to reach is disabled", permanent, Reason::UnknownRecipient),
        (Rcpt, "551 User not local; please try <forward-path>", permanent, Reason::UnknownRecipient),
        (Rcpt, "556 5.1.10 Recipient address has null MX", permanent, Reason::UnknownRecipient),
        (Rcpt, "553 5.1.3 The recipient address is not a valid RFC 5321 address", permanent, Reason::InvalidAddress),
        (Rcpt, "501 5.1.3 Bad recipient address syntax", permanent, Reason::InvalidAddress),
        (Rcpt, "554 5.7.1 <x@example.org>: Relay access denied", permanent, Reason::Forbidden),
        (Rcpt, "550 relay not permitted", permanent, Reason::Forbidden),
        (
            Rcpt,
            "550 5.7.1 <x@example.org>... Relaying denied. Proper authentication required.",
            misconfigured,
            Reason::Auth,
        ),
        (Rcpt, "530 5.7.1 Relaying denied, authentication required", misconfigured, Reason::Auth),
        (Rcpt, "550 5.7.1 Recipient not allowed: restricted group", permanent, Reason::Forbidden),
        (Rcpt, "554 5.7.1 Service unavailable; blocked using zen.example.org", misconfigured, Reason::Forbidden),
        (Rcpt, "554 5.7.1 <unknown[192.0.2.1]>: Client host rejected: Access denied", misconfigured, Reason::Forbidden),
        (Rcpt, "550 5.7.1 <[192.0.2.1]>: Helo command rejected: Access denied", misconfigured, Reason::Forbidden),
        (Rcpt, "504 5.5.2 <x>: Helo command rejected: need fully-qualified hostname", misconfigured, Reason::Forbidden),
        (Rcpt, "450 4.7.25 Client host rejected: cannot find your hostname", transient, Reason::Unavailable),
        (
            Rcpt,
            "554 5.7.1 Service unavailable; Recipient address [x@example.com] blocked using rhsbl.example.org",
            permanent,
            Reason::Policy,
        ),
        (
            Rcpt,
            "554 5.7.1 Service unavailable; Sender address [x@example.com] blocked using dbl.example.org",
            misconfigured,
            Reason::SenderRejected,
        ),
        (
            Rcpt,
            "550 5.7.1 Recipient rejected: only internal and authorized senders may write to it",
            permanent,
            Reason::Forbidden,
        ),
        (
            Rcpt,
            "550 5.7.133 SenderNotAuthenticatedForGroup; authentication required; sender not authenticated",
            permanent,
            Reason::Forbidden,
        ),
        (
            Rcpt,
            "550 5.7.1 Sender address <a@b.example> is not allowed to post to this list",
            permanent,
            Reason::Forbidden,
        ),
        (Rcpt, "550 Daily limit exceeded", throttled, Reason::RateLimited),
        (Reply, "554 5.7.1 daily limit of 500 messages reached", throttled, Reason::RateLimited),
        (Rcpt, "550 5.2.1 The mailbox has reached its daily limit", permanent, Reason::UnknownRecipient),
        (Reply, "552 5.2.2 Recipient has exceeded the daily limit", permanent, Reason::MailboxFull),
        (Rcpt, "550 5.4.5 Daily SMTP relay limit exceeded for user", throttled, Reason::RateLimited),
        (Rcpt, "550 5.7.1 Daily SMTP relay limit exceeded for customer", throttled, Reason::RateLimited),
        (Rcpt, "556 Domain does not accept mail", permanent, Reason::UnknownRecipient),
        (Rcpt, "552 5.2.2 Mailbox full", permanent, Reason::MailboxFull),
        (Rcpt, "452 4.2.2 The email account that you tried to reach is over quota", transient, Reason::MailboxFull),
        (Rcpt, "452 4.5.3 Error: too many recipients", transient, Reason::TryLater),
        (
            Rcpt,
            "450 4.2.0 <x@example.com>: Recipient address rejected: Greylisted, see http://postgrey.example",
            transient,
            Reason::TryLater,
        ),
        (Rcpt, "451 4.7.1 Greylisting in action, please come back later", transient, Reason::TryLater),
        (
            Rcpt,
            "450 4.2.1 The user you are trying to contact is receiving mail too quickly",
            transient,
            Reason::TryLater,
        ),
        (Rcpt, "450 4.1.1 Recipient address rejected: unverified address", transient, Reason::TryLater),
        (
            Rcpt,
            "553 5.7.1 <no-reply@example.com>: Sender address rejected: not owned by user x",
            misconfigured,
            Reason::SenderRejected,
        ),
        (Rcpt, "530 5.7.1 Client was not authenticated", misconfigured, Reason::Auth),
        (Rcpt, "550 5.7.1 Authentication required", misconfigured, Reason::Auth),
        (Rcpt, "550 5.4.5 Daily user sending limit exceeded", throttled, Reason::RateLimited),
        (
            Rcpt,
            "421 4.7.28 Our system has detected an unusual rate of unsolicited mail",
            transient,
            Reason::Unavailable,
        ),
        (Data, "451 4.3.0 Temporary server error. Please try again later", transient, Reason::TryLater),
        (Data, "554 5.5.1 Error: no valid recipients", permanent, Reason::Policy),
        (Data, "250 ok", transient, Reason::Protocol),
        (Reply, "451 4.3.0 Error: queue file write error", transient, Reason::Unavailable),
        (Reply, "452 4.3.1 Insufficient system storage", transient, Reason::Unavailable),
        (Reply, "421 4.3.0 Temporary system problem. Try again later", transient, Reason::Unavailable),
        (Reply, "454 Throttling failure: Maximum sending rate exceeded.", throttled, Reason::RateLimited),
        (Reply, "552 5.3.4 Message file too big", permanent, Reason::TooLarge),
        (
            Reply,
            "552 5.7.0 This message was blocked because its content presents a potential security issue",
            permanent,
            Reason::TooLarge,
        ),
        (Reply, "554 5.6.0 Message contains bare LF", permanent, Reason::InvalidMessage),
        (Reply, "554 Message rejected: Email address is not verified.", permanent, Reason::SenderRejected),
        (
            Reply,
            "550 5.7.60 SMTP; Client does not have permissions to send as this sender",
            misconfigured,
            Reason::SenderRejected,
        ),
        (Reply, "554 5.2.252 SendAsDenied; x not allowed to send as y", misconfigured, Reason::SenderRejected),
        (Reply, "550 5.4.5 Daily SMTP relay limit exceeded for user", throttled, Reason::RateLimited),
        (
            Reply,
            "550 5.1.90 Your message can't be sent: you've reached your daily limit for message recipients",
            throttled,
            Reason::RateLimited,
        ),
        (Reply, "554 5.2.0 STOREDRV.Submission.Exception; Submission quota exceeded", throttled, Reason::RateLimited),
        (Reply, "550 5.7.1 Message rejected as spam by content filtering", permanent, Reason::Policy),
        (Reply, "554 5.7.1 Virus found", permanent, Reason::Policy),
        (Reply, "354 go ahead", "unknown", Reason::LostReply),
    ] {
        // A reply of several lines is flattened in the answer; the rest stands there as the relay said it.
        let line = line.split("\r\n").last().unwrap_or(line);
        check(stage, line, result, reason);
    }
}

#[test]
fn a_sender_of_upstreams_own_is_that_mails_fault() {
    for reply in [
        "553 5.1.8 Sender address rejected: not owned by user",
        "554 5.7.1 Service unavailable; Sender address [news@shop.example] blocked using dbl.example.org",
        "550 5.7.23 SPF and authentication checks failed",
        "501 5.5.4 Invalid sender address",
        "555 5.5.2 Syntax error, cannot decode response",
        "504 5.7.4 Parameter not implemented",
    ] {
        assert_eq!(answer(Stage::Mail, reply, false).result(), Some("permanent"), "{reply}");
        assert_eq!(answer(Stage::Mail, reply, true).result(), Some("misconfigured"), "{reply}");
    }
}

#[test]
fn silence_is_unknown_only_after_the_final_dot() {
    use super::super::reply::ReplyProblem;
    let kinds = || {
        [
            FaultKind::Closed,
            FaultKind::TimedOut,
            FaultKind::Garbled(ReplyProblem::NoCode),
            FaultKind::Broken(std::io::Error::other("x")),
        ]
    };
    for kind in kinds() {
        assert_eq!(classify(&Fault::new(Stage::Reply, kind), true, "h").result(), Some("unknown"));
    }
    for kind in kinds() {
        assert_eq!(classify(&Fault::new(Stage::Body, kind), true, "h").result(), Some("transient"));
    }
}
