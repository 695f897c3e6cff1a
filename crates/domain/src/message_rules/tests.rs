use super::*;
use crate::event::Alternative;

fn address(text: &str) -> Address {
    Address { address: text.to_owned(), name: None }
}

fn mail() -> Email {
    Email { to: vec![address("ada@example.com")], text: Some("Hello".to_owned()), ..Email::default() }
}

#[track_caller]
fn check(change: impl FnOnce(&mut Email), pointers: &[&str]) {
    let mut email = mail();
    change(&mut email);
    let problems = check_email(&email);
    let found: Vec<&str> = problems.iter().map(|problem| problem.pointer.as_str()).collect();
    assert_eq!(found, pointers, "{problems:?}");
}

fn attach(email: &mut Email, filename: &str, content_type: &str, content_id: Option<&str>) {
    email.attachments.push(Attachment {
        filename: filename.to_owned(),
        content_type: content_type.to_owned(),
        content: vec![1],
        content_id: content_id.map(str::to_owned),
    });
}

#[test]
fn good_mails_have_no_problem() {
    check(|_| {}, &[]);
    check(|email| email.to[0].name = Some("Ада Лавлейс \"Countess\" <x>".to_owned()), &[]);
    check(|email| attach(email, "Rechnung März.pdf", "application/pdf", None), &[]);
    check(|email| attach(email, "logo.png", "image/png; name=\"a b.png\"", Some("logo@shop")), &[]);
    check(|email| attach(email, "a", "text/plain; name=\"a;b\"", None), &[]);
    check(|email| attach(email, "a", "text/plain; name=\"; x=;\"; charset=utf-8", None), &[]);
    check(|email| drop(email.headers.insert("Auto-Submitted".to_owned(), "no".to_owned())), &[]);
    check(|email| drop(email.headers.insert("List-Unsubscribe".to_owned(), "<https://x.example>".to_owned())), &[]);
}

#[test]
fn each_problem_has_its_pointer() {
    check(|email| email.to.clear(), &["/email/to"]);
    check(|email| email.text = None, &["/email/text"]);
    check(|email| email.bcc.push(address("no address")), &["/email/bcc/0/address"]);
    check(|email| email.from = Some(address("")), &["/email/from/address"]);
    check(|email| email.reply_to.push(address("x@")), &["/email/reply_to/0/address"]);
    check(|email| email.to[0].name = Some("Ada\nBcc: eve@example.com".to_owned()), &["/email/to/0/name"]);
    check(|email| email.subject = Some("a\r\nBcc: eve@example.com".to_owned()), &["/email/subject"]);
    check(|email| email.subject = Some("a\0".to_owned()), &["/email/subject"]);
    check(|email| email.subject = Some("a ".repeat(HEADER_BYTES_MAX)), &["/email/subject"]);
    check(|email| email.subject = Some("a".repeat(HEADER_WORD_BYTES_MAX + 1)), &["/email/subject"]);
    check(|email| email.subject = Some(" ".repeat(HEADER_WORD_BYTES_MAX + 1)), &["/email/subject"]);
    check(|email| email.subject = Some(format!("a{}b", " ".repeat(HEADER_WORD_BYTES_MAX))), &["/email/subject"]);
    check(|email| email.to[0].name = Some("\"".repeat(HEADER_WORD_BYTES_MAX / 2 + 1)), &["/email/to/0/name"]);
    check(|email| email.subject = Some("ab ".repeat(HEADER_WORD_BYTES_MAX)), &[]);
    check(|email| email.subject = Some("ä".repeat(HEADER_WORD_BYTES_MAX + 1)), &[]);
    check(|email| attach(email, "a\n.pdf", "application/pdf", None), &["/email/attachments/0/filename"]);
    check(|email| attach(email, "a", "pdf", None), &["/email/attachments/0/content_type"]);
    check(|email| attach(email, "a", "multipart/mixed", None), &["/email/attachments/0/content_type"]);
    check(|email| attach(email, "a", "a/b; c=\"\r\n\"", None), &["/email/attachments/0/content_type"]);
    for content_type in [
        "text/plain; name=\"a;b\nc\"",
        "text/plain; name=\"a;b",
        "text/plain; name=\"a\\\";b\"",
        "text/plain; name=\"a\"b; c=d",
        "text/plain; name=a\";b\"",
        "\"text/plain;\"",
        " multipart/mixed",
        "text/plain;",
    ] {
        check(|email| attach(email, "a", content_type, None), &["/email/attachments/0/content_type"]);
    }
    check(|email| attach(email, "a", "image/png", Some("<a>")), &["/email/attachments/0/content_id"]);
    check(
        |email| email.alternatives.push(Alternative { content_type: "text/calendar\n".to_owned(), content: vec![] }),
        &["/email/alternatives/0/content_type"],
    );
    check(|email| email.to = vec![address("a@b"); RECIPIENTS_MAX + 1], &["/email/to"]);
}

#[test]
fn headers_of_our_own_are_reserved_in_any_spelling() {
    for name in ["From", "BCC", "message-id", "Content-Type", "Resent-To", "MIME-Version", "Return-Path"] {
        let pointer = format!("/email/headers/{name}");
        check(|email| drop(email.headers.insert(name.to_owned(), "x".to_owned())), &[&pointer]);
    }
    check(|email| drop(email.headers.insert("X-A~/b".to_owned(), "x\ny".to_owned())), &["/email/headers/X-A~0~1b"]);
    check(|email| drop(email.headers.insert("X A".to_owned(), "x".to_owned())), &["/email/headers/X A"]);
    let twice = |email: &mut Email| {
        email.headers.insert("X-A".to_owned(), "1".to_owned());
        email.headers.insert("x-a".to_owned(), "2".to_owned());
    };
    check(twice, &["/email/headers/x-a"]);
}

#[test]
fn only_a_recipients_address_concerns_that_recipient_alone() {
    let mut email = mail();
    email.cc.push(Address { address: "bad".to_owned(), name: Some("a\n".to_owned()) });
    let concerns: Vec<Concern> = check_email(&email).iter().map(|problem| problem.concern).collect();
    assert_eq!(concerns, [Concern::Recipient, Concern::Message]);
}

#[test]
fn slack_parts_are_checked() {
    let good = Slack { to: vec!["ops".to_owned()], text: Some("Hi".to_owned()), ..Slack::default() };
    assert_eq!(check_slack(&good), []);
    let pointers = |slack: Slack| check_slack(&slack).into_iter().map(|problem| problem.pointer).collect::<Vec<_>>();
    assert_eq!(pointers(Slack::default()), ["/slack/to", "/slack/text"]);
    assert_eq!(pointers(Slack { to: vec!["a\n".to_owned()], ..good.clone() }), ["/slack/to/0"]);
    assert_eq!(pointers(Slack { text: Some("ä".repeat(SLACK_TEXT_CHARS_MAX + 1)), ..good.clone() }), ["/slack/text"]);
    assert_eq!(pointers(Slack { text: Some("ä".repeat(SLACK_TEXT_CHARS_MAX)), ..good.clone() }), [""; 0]);
    assert_eq!(pointers(Slack { thread_ts: Some("soon".to_owned()), ..good.clone() }), ["/slack/thread_ts"]);
    assert_eq!(pointers(Slack { thread_ts: Some("1503435956.000247".to_owned()), ..good }), [""; 0]);
}
