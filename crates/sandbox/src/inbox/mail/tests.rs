use super::*;

fn crlf(text: &str) -> Vec<u8> {
    text.replace('\n', "\r\n").into_bytes()
}

const INLINE: &str = "From: =?utf-8?Q?J=C3=BCrgen?= <j@example.com>
To: a@example.com,
 b@example.com
Subject: =?utf-8?Q?Gr=C3=BC=C3=9Fe?=
Content-Type: multipart/related; boundary=r

--r
Content-Type: text/html; charset=utf-8

<img src=\"cid:logo\"><img src='cid:nobody'><p>cid:logo2
--r
Content-Type: image/png\"onerror
Content-ID: <logo>
Content-Transfer-Encoding: base64

AQID
--r
Content-Type: text/plain
Content-Disposition: attachment; filename=\"a\tb.txt\"

words
--r--
";

#[test]
fn a_mail_is_taken_apart_for_reading() {
    let detail = detail(&crlf(INLINE));
    assert_eq!(detail.subject, "Grüße");
    assert_eq!(detail.from, ["Jürgen <j@example.com>"]);
    assert_eq!(detail.to, ["a@example.com", "b@example.com"]);
    assert!(detail.has_html && detail.text.is_none(), "{detail:?}");
    let to = ("To".to_owned(), "a@example.com, b@example.com".to_owned());
    assert!(detail.headers.contains(&to), "{:?}", detail.headers);
    let files: Vec<(bool, usize)> = detail.attachments.iter().map(|one| (one.inline, one.size)).collect();
    assert_eq!(files, [(true, 3), (false, 5)]);
}

#[test]
fn inline_images_are_put_in_and_only_those() {
    let html = html(&crlf(INLINE)).unwrap();
    assert!(html.contains("<img src=\"data:application/octet-stream;base64,AQID\">"), "{html}");
    assert!(html.contains("cid:nobody") && html.contains("cid:logo2"), "{html}");
}

#[test]
fn attachments_are_found_by_their_number() {
    let raw = crlf(INLINE);
    let text = attachment(&raw, 1).unwrap();
    assert_eq!((text.filename.contains('\t'), text.content.as_slice()), (false, &b"words"[..]));
    assert!(attachment(&raw, 2).is_none());
}

#[test]
fn anything_at_all_can_be_shown() {
    for raw in
        [&b""[..], b"\r\n", b"\0\xff\xfe", b"no header at all", b"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x"]
    {
        let detail = detail(raw);
        assert!(detail.attachments.is_empty(), "{raw:?}");
        assert!(words(raw, 10).preview.chars().count() <= 11);
        let _ = (html(raw), attachment(raw, 0));
    }
}
