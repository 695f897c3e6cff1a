//! Sample messages, friendly and hostile, for the page's example and its test in a browser.

#![allow(dead_code)] // the example and the tests each use a part

use postrider_sandbox::{Inbox, Mail, Slack};

pub(crate) const CURL: &str = "curl http://127.0.0.1:8080/v1/notifications -H 'content-type: application/json' -d '{\n  \
    \"type\": \"order.shipped\",\n  \"email\": {\"to\": [{\"address\": \"ada@example.com\"}], \"subject\": \"Hello\", \"text\": \"It works\"}\n}'";

/// An orange 40 × 40 PNG.
const PNG: &str = "iVBORw0KGgoAAAANSUhEUgAAACgAAAAoCAIAAAADnC86AAAAL0lEQVR42u3NMQ0AAAgDsN3oQyoCMUHC06R/M10vIhaLxWKxWCwWi8VisVgsFt9ZaGSw20THbYYAAAAASUVORK5CYII=";

pub(crate) fn mail(inbox: &Inbox, to: &str, raw: &str) -> u64 {
    let raw = raw.replace('\n', "\r\n").into();
    inbox.keep_mail(Mail { from: "no-reply@example.com".to_owned(), to: vec![to.to_owned()], raw })
}

pub(crate) fn slack(inbox: &Inbox, destination: &str, payload: &str) -> u64 {
    let method = if destination.starts_with('C') { "chat.postMessage" } else { "webhook" };
    inbox.keep_slack(Slack { destination: destination.to_owned(), method, raw: payload.to_owned().into() })
}

/// One small mail of many.
pub(crate) fn plain(inbox: &Inbox, n: u32) {
    mail(
        inbox,
        &format!("reader{n}@example.com"),
        &format!(
            "From: News <news@example.com>\nTo: reader{n}@example.com\nSubject: Issue {n}\n\nThe news of the day."
        ),
    );
}

/// One of each kind; the newest is the friendly HTML mail.
pub(crate) fn fill(inbox: &Inbox) {
    hostile_mail(inbox);
    hostile_slack(inbox);
    mail(inbox, "bob@example.com", TEXT);
    slack(
        inbox,
        "ops",
        r#"{"text":"Deploy of *checkout* `v2.14.0` finished :rocket:\n> 3 services, 0 failures\nSee <https://example.com/deploys/214|the run> or ask <@U024BE7LH>."}"#,
    );
    mail(inbox, "frieda@example.com", SCRIPTS);
    slack(inbox, "C0123", BLOCKS);
    mail(inbox, "auditor@example.com", &shipped());
    mail(inbox, "ada@example.com", &shipped());
}

const TEXT: &str = "From: Postrider <no-reply@example.com>
To: Bob <bob@example.com>
Subject: Your password was changed
Date: Mon, 02 Nov 2026 09:15:00 +0000
Message-ID: <0f8d@example.com>
Auto-Submitted: auto-generated
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: 8bit

Hello Bob,

your password was changed a minute ago. If that was not you, open
https://example.com/account/recover?token=abc123 and choose a new one.

Kind regards
The shop
";

const SCRIPTS: &str = "From: =?utf-8?B?0JDQvdC90LA=?= <anna@example.com>
To: frieda@example.com
Subject: =?utf-8?Q?Gr=C3=BC=C3=9Fe_=E2=80=94_=E4=BD=A0=E5=A5=BD=2C_=D9=85=D8=B1=D8=AD=D8=A8=D8=A7_=F0=9F=8E=89?=
Content-Type: text/plain; charset=utf-8

Zażółć gęślą jaźń. Привет! こんにちは
";

fn shipped() -> String {
    format!(
        "From: The Shop <no-reply@example.com>
To: Ada Lovelace <ada@example.com>
Cc: =?utf-8?Q?J=C3=BCrgen?= <juergen@example.com>
Reply-To: help@example.com
Subject: Your order is on its way
Date: Mon, 02 Nov 2026 09:17:00 +0000
Message-ID: <9b1c@example.com>
Auto-Submitted: auto-generated
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=m

--m
Content-Type: multipart/alternative; boundary=a

--a
Content-Type: text/plain; charset=utf-8

Good news, Ada: order 1017 left our house this morning.
Track it: https://example.com/track/1017
--a
Content-Type: multipart/related; boundary=r

--r
Content-Type: text/html; charset=utf-8

<div style=\"max-width:560px;margin:24px auto;font-family:Georgia,serif;color:#223\">
<img src=\"cid:logo@shop\" width=40 height=40 alt=\"The Shop\" style=\"border-radius:8px\">
<h1 style=\"font-size:26px\">Good news, Ada</h1>
<p>Order <b>1017</b> left our house this morning and will be with you on Thursday.</p>
<table style=\"width:100%;border-collapse:collapse\"><tr style=\"border-bottom:1px solid #ddd\"><td style=\"padding:8px 0\">Analytical engine, brass</td><td align=right>1</td></tr>
<tr style=\"border-bottom:1px solid #ddd\"><td style=\"padding:8px 0\">Punched cards</td><td align=right>500</td></tr></table>
<p><a href=\"https://example.com/track/1017\" style=\"display:inline-block;padding:10px 18px;background:#223;color:#fff;border-radius:6px;text-decoration:none\">Track your parcel</a></p>
<img src=\"https://tracker.example/pixel.gif\" width=1 height=1 alt=\"\"></div>
--r
Content-Type: image/png; name=logo.png
Content-Disposition: inline; filename=logo.png
Content-ID: <logo@shop>
Content-Transfer-Encoding: base64

{PNG}
--r--
--a--
--m
Content-Type: application/pdf; name=invoice-1017.pdf
Content-Disposition: attachment; filename=invoice-1017.pdf
Content-Transfer-Encoding: base64

JVBERi0xLjQKJSBub3QgcmVhbGx5Cg==
--m
Content-Type: text/csv; charset=utf-8
Content-Disposition: attachment; filename*=UTF-8''Lieferschein%20M%C3%BCnchen.csv

item;count
--m--
"
    )
}

const BLOCKS: &str = r##"{"channel":"C0123","text":"Order 1017 needs a look","blocks":[
 {"type":"header","text":{"type":"plain_text","text":":rotating_light: Order 1017 needs a look"}},
 {"type":"section","text":{"type":"mrkdwn","text":"*Ada Lovelace* paid twice. _Probably_ a retry; see `payments.log`:\n```\n09:14:02 charge ok\n09:14:03 charge ok\n```"},
  "accessory":{"type":"button","text":{"type":"plain_text","text":"Open"},"url":"https://example.com/orders/1017"}},
 {"type":"section","fields":[{"type":"mrkdwn","text":"*Amount*\n£ 1,200"},{"type":"mrkdwn","text":"*Country*\nGB"},{"type":"mrkdwn","text":"*Customer since*\n1842"},{"type":"mrkdwn","text":"*Risk*\n~high~ low"}]},
 {"type":"divider"},
 {"type":"image","image_url":"https://example.com/chart.png","alt_text":"Charges in the last hour"},
 {"type":"actions","elements":[{"type":"button","style":"primary","text":{"type":"plain_text","text":"Refund one"}},{"type":"button","style":"danger","text":{"type":"plain_text","text":"Block card"}}]},
 {"type":"context","elements":[{"type":"mrkdwn","text":"from <https://example.com|the shop> for <#C0123|sales>, <!here>"}]},
 {"type":"rich_text","elements":[]}]}"##;

/// Everything a mail can try. Any script that runs sets `PWNED` in the top window.
pub(crate) fn hostile_mail(inbox: &Inbox) -> u64 {
    mail(inbox, "\"><img src=x onerror=top.PWNED=1>@example.com", HOSTILE)
}

const HOSTILE: &str = r#"From: "<script>top.PWNED=1</script>" <eve@example.com>
To: <img/src=x/onerror=top.PWNED=1>
Subject: <img src=x onerror="top.PWNED=1"><script>top.PWNED=1</script>
X-Hostile: <svg onload=top.PWNED=1>
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=b

--b
Content-Type: text/html; charset=utf-8

</iframe><script>top.PWNED=1;top.PWNED=1;parent.PWNED=1</script>
<img src=x onerror="top.PWNED=1"><svg onload="top.PWNED=1"></svg>
<meta http-equiv=refresh content="0;url=javascript:top.PWNED=1">
<base href="https://evil.example/"><form action="https://evil.example/"><button autofocus>Log in</button></form>
<iframe src="javascript:top.PWNED=1"></iframe><object data="https://evil.example/x"></object>
<link rel=stylesheet href="https://evil.example/x.css"><p>Hello from Eve</p>
--b
Content-Type: text/html; name="\"><script>top.PWNED=1</script>.html"
Content-Disposition: attachment; filename="\"><script>top.PWNED=1</script>.html"

<script>top.PWNED=1</script>
--b--
"#;

/// Everything a Slack message can try.
pub(crate) fn hostile_slack(inbox: &Inbox) -> u64 {
    slack(
        inbox,
        "<img src=x onerror=top.PWNED=1>",
        r#"{"text":"<javascript:top.PWNED=1|click> <img src=x onerror=top.PWNED=1> &lt;script&gt;","username":"<b>eve</b>",
           "blocks":[{"type":"section","text":{"type":"mrkdwn","text":"<script>top.PWNED=1</script> <javascript:alert(1)|here>"},
           "accessory":{"type":"button","text":{"type":"plain_text","text":"<img src=x onerror=top.PWNED=1>"},"url":"javascript:top.PWNED=1"}},
           {"type":"__proto__"},{"type":"constructor"},{"type":"section"},{"type":"actions","elements":[null,7]}]}"#,
    )
}
