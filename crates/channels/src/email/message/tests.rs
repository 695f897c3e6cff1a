use std::sync::Arc;

use mail_parser::{Message, MessageParser, MimeHeaders, PartType};
use postrider_domain::{Alternative, ChannelName, DestinationName, Fingerprint, Notification, Timestamp};

use super::*;

fn address(address: &str, name: Option<&str>) -> Address {
    Address { address: address.to_owned(), name: name.map(str::to_owned) }
}

fn text_mail() -> Email {
    Email { to: vec![address("ada@example.com", None)], text: Some("Hello".to_owned()), ..Email::default() }
}

fn build(recipient: &str, email: Email) -> Result<Mail, Failure> {
    let event = Notification {
        source: "shop".to_owned(),
        event_key: "order-1".to_owned(),
        event_type: "order.shipped".to_owned(),
        occurred_at: Timestamp(0),
        not_before: None,
        expires_at: None,
        template: None,
        email: Some(email),
        slack: None,
        metadata: BTreeMap::new(),
    };
    let delivery = Delivery {
        id: Fingerprint([0; 16]),
        channel: ChannelName::Email,
        destination: DestinationName::new("relay"),
        recipient: Arc::from(recipient),
        salt: None,
        event: Arc::new(event),
        trace_parent: None,
    };
    Mail::build(&delivery, &address("no-reply@shop.example", Some("Shop")))
}

/// What a reader's mail program sees: the wire form, dots removed.
fn source(email: Email) -> String {
    let mail = build("ada@example.com", email).unwrap();
    let wire = String::from_utf8(mail.wire).unwrap();
    let message = wire.strip_suffix(".\r\n").unwrap().replace("\r\n..", "\r\n.");
    assert!(!message.replace("\r\n", "").contains(['\r', '\n']), "a bare line end in {message:?}");
    assert!(message.is_ascii());
    assert_eq!(message.len(), mail.size);
    message
}

fn parse(source: &str) -> Message<'_> {
    MessageParser::default().parse(source.as_bytes()).unwrap()
}

fn types(source: &str) -> Vec<String> {
    let kind = |part: &mail_parser::MessagePart<'_>| {
        let kind = part.content_type().unwrap();
        format!("{}/{}", kind.ctype(), kind.subtype().unwrap_or_default())
    };
    parse(source).parts.iter().map(kind).collect()
}

fn file(filename: &str, content_type: &str, content_id: Option<&str>) -> Attachment {
    Attachment {
        filename: filename.to_owned(),
        content_type: content_type.to_owned(),
        content: b"\x00\xff\n.\r\n.\n\r".to_vec(),
        content_id: content_id.map(str::to_owned),
    }
}

#[test]
fn the_tree_has_a_level_only_where_there_is_more_than_one_part() {
    let html = || Email { html: Some("<img src=\"cid:logo\">".to_owned()), ..text_mail() };
    assert_eq!(types(&source(text_mail())), ["text/plain"]);
    assert_eq!(types(&source(Email { text: None, ..html() })), ["text/html"]);
    assert_eq!(types(&source(html())), ["multipart/alternative", "text/plain", "text/html"]);
    let mut full = html();
    full.attachments = vec![file("logo.png", "image/png", Some("logo")), file("bill.pdf", "application/pdf", None)];
    let content = "BEGIN:VCALENDAR\nä".as_bytes().to_vec();
    full.alternatives = vec![Alternative { content_type: "text/calendar; method=REQUEST".to_owned(), content }];
    assert_eq!(
        types(&source(full)),
        [
            "multipart/mixed",
            "multipart/alternative",
            "text/plain",
            "multipart/related",
            "text/html",
            "image/png",
            "text/calendar",
            "application/pdf"
        ]
    );
    let files_only = Email { text: None, attachments: vec![file("a.bin", "application/x-a", None)], ..text_mail() };
    assert_eq!(types(&source(files_only)), ["application/x-a"]);
    let images_without_html = Email { attachments: vec![file("logo.png", "image/png", Some("logo"))], ..text_mail() };
    assert_eq!(types(&source(images_without_html)), ["multipart/mixed", "text/plain", "image/png"]);
}

#[test]
fn files_and_texts_arrive_as_they_were() {
    let text = "Grüße\n.\nvon\r\n..Ada\r".to_owned();
    let mut email = Email { html: Some("<p>€</p>\n.\n".to_owned()), text: Some(text), ..text_mail() };
    email.attachments = vec![
        file("Rechnung März.pdf", "application/pdf", None),
        file("логотип.png", "image/png", Some("logo@shop")),
        file("", "text/x-nameless", None),
    ];
    let source = source(email);
    let message = parse(&source);
    assert_eq!(message.body_text(0).unwrap().trim_end(), "Grüße\r\n.\r\nvon\r\n..Ada");
    assert_eq!(message.body_html(0).unwrap().trim_end(), "<p>€</p>\r\n.");
    let files: Vec<_> = message.parts.iter().filter(|part| part.attachment_name().is_some()).collect();
    assert_eq!(files.len(), 2);
    for part in &message.parts {
        if let PartType::Binary(content) | PartType::InlineBinary(content) = &part.body {
            assert_eq!(content.as_ref(), b"\x00\xff\n.\r\n.\n\r");
        }
    }
    let names: Vec<_> = files.iter().map(|part| part.attachment_name().unwrap()).collect();
    assert!(names.contains(&"Rechnung März.pdf") && names.contains(&"логотип.png"), "{names:?}");
    assert!(files.iter().any(|part| part.content_id() == Some("logo@shop")));
}

#[test]
fn an_attached_mail_is_not_encoded_where_it_need_not_be() {
    let attached = |content: &str| {
        let content = content.as_bytes().to_vec();
        let original = Attachment { content, ..file("original.eml", "message/rfc822", None) };
        source(Email { attachments: vec![original], ..text_mail() })
    };
    assert!(attached("Subject: a\n\nb\n").contains("Content-Transfer-Encoding: 7bit\r\n\r\nSubject: a\r\n\r\nb\r\n"));
    for content in ["Subject: ä\n", "a\0b", "x".repeat(1_000).as_str()] {
        assert!(attached(content).contains("Content-Transfer-Encoding: base64"), "{content}");
    }
}

#[test]
fn a_nul_in_a_text_is_encoded() {
    let mut email = Email { text: Some("a\0b\n.\n".to_owned()), html: Some("<p>\0</p>".to_owned()), ..text_mail() };
    email.alternatives = vec![Alternative { content_type: "text/calendar".to_owned(), content: b"\0".to_vec() }];
    let source = source(email);
    assert!(!source.contains('\0'), "{source:?}");
    assert_eq!(parse(&source).body_text(0).unwrap().trim_end(), "a\0b\r\n.");
}

#[test]
fn what_the_rules_let_pass_fits_into_lines_of_998() {
    for text in [" ".repeat(899), format!("a{}b", " ".repeat(890)), "\"".repeat(449), format!("{} ", "\\ ".repeat(400))]
    {
        let mut email = Email { subject: Some(text.clone()), ..text_mail() };
        email.to[0].name = Some(text.clone());
        email.headers.insert("X".repeat(76), text);
        let longest = source(email).lines().map(str::len).max().unwrap();
        assert!(longest <= 998, "{longest}");
    }
}

#[test]
fn headers_name_to_and_cc_and_never_bcc() {
    let mut email = text_mail();
    email.to[0].name = Some("Ада \"Countess\" <x@y>, O'Hara".to_owned());
    email.to.push(address("no address", None));
    email.cc = vec![address("bob@münchen.example", Some("ボブ"))];
    email.bcc = vec![address("secret@example.com", Some("Secret"))];
    email.reply_to = vec![address("help@example.com", None)];
    email.subject = Some("Přehled: 50 % für 'Äpfel' 🍏 und noch viel mehr, weil der Betreff lang sein darf".to_owned());
    email.headers.insert("X-Order".to_owned(), "1017 ü".to_owned());
    email.headers.insert("List-Unsubscribe".to_owned(), "<https://example.com/u>".to_owned());
    let source = source(email.clone());
    assert!(!source.contains("ecret") && !source.contains("no address"), "{source}");
    let message = parse(&source);
    let to = message.to().unwrap().first().unwrap();
    assert_eq!((to.name(), to.address()), (email.to[0].name.as_deref(), Some("ada@example.com")));
    assert_eq!(message.to().unwrap().iter().count(), 1);
    let cc = message.cc().unwrap().first().unwrap();
    assert_eq!((cc.name(), cc.address()), (Some("ボブ"), Some("bob@xn--mnchen-3ya.example")));
    assert_eq!(message.from().unwrap().first().unwrap().address(), Some("no-reply@shop.example"));
    assert_eq!(message.reply_to().unwrap().first().unwrap().address(), Some("help@example.com"));
    assert_eq!(message.subject(), email.subject.as_deref());
    assert!(source.contains("X-Order: 1017 =?utf-8?b?w7w=?=\r\n"), "{source}");
    assert!(source.contains("List-Unsubscribe: <https://example.com/u>\r\n"), "{source}");
    assert!(source.contains("Auto-Submitted: auto-generated\r\n"));
    assert!(source.contains("\r\nDate: ") && source.contains("MIME-Version: 1.0\r\n"));
}

#[test]
fn what_looks_like_an_encoded_word_arrives_as_it_was_written() {
    for text in
        ["=?utf-8?B?SGk=?= plain", "plain =?utf-8?q?x?=", "=?utf-8?B?SGk=?= ü 🍏", "a=?b", &"=?x?b? ä ".repeat(30)]
    {
        let mut email = Email { subject: Some(text.to_owned()), ..text_mail() };
        email.to[0].name = Some(text.trim().to_owned());
        let source = source(email);
        assert!(source.lines().all(|line| line.len() <= 78), "{source}");
        let message = parse(&source);
        assert_eq!(message.subject(), Some(text), "{source}");
        assert_eq!(message.to().unwrap().first().unwrap().name(), Some(text.trim()), "{source}");
    }
    let mut email = text_mail();
    email.headers.insert("List-Unsubscribe".to_owned(), "<https://example.com/?a=?b>".to_owned());
    assert!(source(email).contains("List-Unsubscribe: <https://example.com/?a=?b>\r\n"));
}

/// A `;` in quotes is no end of the value, for the rules and for the builder.
#[test]
fn a_quoted_parameter_of_a_media_type_stays_whole() {
    let attached = file("a", "text/x-a; name=\"a;b\"; x=y", None);
    let source = source(Email { attachments: vec![attached], ..text_mail() });
    assert!(source.contains("Content-Type: text/x-a; name=\"a;b\"; x=y\r\n"), "{source}");
}

/// What the rules take, the builder takes: none of these comes back as a dead letter.
#[test]
fn every_content_type_that_the_rules_take_is_written() {
    for content_type in [
        "application/pdf; name=\"\"",
        "text/x; a=\";\"; b=\"\"; c=\"x\"",
        "text/calendar ; method=REQUEST",
        "text/calendar; method=REQUEST ; charset=utf-8",
        "application/{x}",
    ] {
        let email = Email {
            attachments: vec![file("a", content_type, None)],
            alternatives: vec![Alternative { content_type: content_type.to_owned(), content: b"x".to_vec() }],
            ..text_mail()
        };
        let source = source(email);
        assert_eq!(source.matches(&format!("Content-Type: {content_type}")).count(), 2, "{source}");
    }
}

#[test]
fn a_file_name_that_looks_encoded_arrives_as_it_was_written() {
    for name in ["=?utf-8?B?ZXZpbC5leGU=?=", &"a=?b \"; x.pdf".repeat(12)] {
        for content_id in [None, Some("logo")] {
            let source = source(Email { attachments: vec![file(name, "image/png", content_id)], ..text_mail() });
            assert!(source.lines().all(|line| line.len() <= 78), "{source}");
            let message = parse(&source);
            let part = message.attachments().next().unwrap();
            assert_eq!(part.attachment_name(), Some(name), "{source}");
        }
    }
}

#[test]
fn only_bcc_still_makes_a_valid_mail() {
    let email = Email { to: vec![], bcc: vec![address("ada@example.com", None)], ..text_mail() };
    assert!(source(email).contains("To: undisclosed-recipients:;\r\n"));
}

#[test]
fn the_message_id_is_the_same_for_every_attempt_and_recipient_at_the_senders_domain() {
    let id = |recipient: &str, email: Email| {
        let wire = build(recipient, email).unwrap().wire;
        MessageParser::default().parse(&wire).unwrap().message_id().unwrap().to_owned()
    };
    let first = id("ada@example.com", text_mail());
    assert!(first.ends_with("@shop.example"), "{first}");
    assert_eq!(first, id("bob@example.com", text_mail()));
    let from = Some(address("a@other.example", None));
    assert!(id("ada@example.com", Email { from, ..text_mail() }).ends_with("@other.example"));
}

#[test]
fn upstream_decides_about_auto_submitted_in_any_spelling() {
    let mut email = text_mail();
    email.headers.insert("auto-submitted".to_owned(), "no".to_owned());
    let source = source(email);
    assert!(source.contains("auto-submitted: no\r\n") && !source.contains("auto-generated"), "{source}");
}

#[test]
fn what_would_break_a_header_is_refused_before_the_builder_sees_it() {
    for change in [
        (|email: &mut Email| email.to[0].name = Some("Ada\nBcc: eve@example.com".to_owned())) as fn(&mut Email),
        |email| email.subject = Some("a\r\nBcc: eve@example.com".to_owned()),
        |email| drop(email.headers.insert("X-A".to_owned(), "a\nBcc: b".to_owned())),
        |email| drop(email.headers.insert("Bcc".to_owned(), "eve@example.com".to_owned())),
        |email| drop(email.headers.insert("X-A: b\r\nBcc".to_owned(), "eve@example.com".to_owned())),
        |email| email.attachments.push(file("a\r\nb", "application/pdf", None)),
        |email| email.attachments.push(file("a", "application/pdf\r\nBcc: b", None)),
        |email| email.attachments.push(file("a", "image/png", Some("a>\r\nBcc: b"))),
        |email| email.from = Some(address("a\r\n@b", None)),
        |email| email.text = None,
    ] {
        let mut email = text_mail();
        change(&mut email);
        let failure = build("ada@example.com", email).map(drop).unwrap_err();
        assert_eq!(failure.reason, Reason::InvalidMessage, "{failure:?}");
        assert!(failure.answer.contains("/email/"), "{failure:?}");
    }
    let failure = build("no address", text_mail()).map(drop).unwrap_err();
    assert_eq!(failure.reason, Reason::InvalidAddress);
}

/// Whatever passes the check must not panic in the builder, whatever it is made of.
#[test]
fn odd_but_allowed_texts_build() {
    let odd = [
        "",
        " ",
        "  a  ",
        "\"",
        "\\",
        "<>",
        "=?utf-8?q?x?=",
        "\u{202e}",
        "\u{2028}",
        "a,b;c:d@e",
        "🏳️‍🌈",
        "ß".repeat(4_000).as_str(),
    ]
    .map(str::to_owned);
    for text in odd {
        let mut email = text_mail();
        email.to[0].name = Some(text.clone());
        email.subject = Some(text.clone());
        email.headers.insert("X-Odd".to_owned(), text.clone());
        email.attachments = vec![file(&text, "application/pdf", None), file(&text, "image/png", Some("x"))];
        source(email);
    }
}

#[test]
fn an_address_beyond_ascii_needs_the_extension_and_is_left_out_for_others() {
    let mut email = text_mail();
    email.to.push(address("jürgen@example.com", None));
    assert!(!build("ada@example.com", email.clone()).unwrap().needs_utf8);
    assert!(!source(email.clone()).contains("rgen"));
    let mail = build("jürgen@example.com", email).unwrap();
    assert!(mail.needs_utf8);
    assert!(String::from_utf8(mail.wire).unwrap().contains("jürgen@example.com"));
}

/// lettre inserts a CR by moving the rest of the text; a body of many lines would take minutes.
#[test]
fn many_lines_are_built_in_one_pass() {
    let email = Email { text: Some("line\n".repeat(400_000)), ..text_mail() };
    let start = std::time::Instant::now();
    drop(build("ada@example.com", email).unwrap());
    assert!(start.elapsed() < std::time::Duration::from_secs(5), "{:?}", start.elapsed());
}
