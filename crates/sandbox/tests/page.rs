//! The inbox page in a real browser: what a person sees, and what a hostile mail cannot do.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod browser;
mod samples;

use std::{net::SocketAddr, sync::Arc};

use browser::Browser;
use postrider_sandbox::{Inbox, InboxLimits, InboxPage};

/// The servers run on the runtime's own threads while the test drives the browser.
async fn page() -> (InboxPage, Inbox) {
    let inbox = Inbox::new(InboxLimits::default(), Arc::new(|| 1_790_000_000_000));
    let listen = SocketAddr::from(([127, 0, 0, 1], 0));
    (InboxPage::start(listen, inbox.clone(), samples::CURL.to_owned()).await.unwrap(), inbox)
}

const ROWS: &str = "document.querySelectorAll('#list li').length";
const FRAME: &str = "document.querySelector('iframe.html')";

#[tokio::test(flavor = "multi_thread")]
async fn messages_arrive_are_listed_and_opened() {
    let (page, inbox) = page().await;
    let mut browser = Browser::start();
    browser.open(&page.url());
    browser.until(
        "!document.getElementById('empty').hidden && document.getElementById('curl').innerText.includes('curl http')",
    );

    samples::fill(&inbox);
    browser.until(&format!("{ROWS} === 8 && document.getElementById('empty').hidden"));
    browser.until("document.title === '(8) Inbox · Postrider'");
    browser.until("document.querySelector('#list li:first-child').innerText.includes('Your order is on its way')");

    browser.press("ArrowDown");
    browser.until(
        "location.hash === '#/m/8' && document.querySelector('#detail h2').innerText === 'Your order is on its way'",
    );
    browser.until("document.querySelector('.attachments').innerText.includes('invoice-1017.pdf')");
    browser.until(&format!("{FRAME}.getAttribute('sandbox') === 'allow-popups allow-popups-to-escape-sandbox'"));
    browser.until("document.title.startsWith('(7)')");
    browser.eval("document.getElementById('tab-source').click()");
    browser.until("document.querySelector('pre.source').innerText.includes('boundary=m')");

    browser.press("ArrowDown");
    browser.press("ArrowDown");
    browser
        .until("location.hash === '#/m/6' && document.querySelector('.block-header').innerText.includes('Order 1017')");
    browser.until("document.querySelector('.post b').innerText === 'Postrider' && document.querySelector('.post pre').innerText.includes('charge ok')");

    browser.eval("search.value = 'password'; search.dispatchEvent(new Event('input'))");
    browser.until(&format!("{ROWS} === 1"));
    browser.press("Escape");
    browser.until(&format!("{ROWS} === 8"));

    browser.eval("document.getElementById('clear').click(); document.getElementById('clear').click()");
    browser.until("!document.getElementById('empty').hidden");
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_phone_there_is_the_list_or_the_message() {
    let (page, inbox) = page().await;
    samples::fill(&inbox);
    let mut browser = Browser::start();
    browser.resize(390, 780);
    browser.open(&page.url());
    let shown = |selector: &str| format!("document.querySelector('{selector}').checkVisibility()");
    browser.until(&format!("{} && !{}", shown(".list-pane"), shown(".detail")));
    browser.until(&format!("{ROWS} === 8"));
    browser.eval("document.querySelector('#list li:nth-child(2) a').click()");
    browser.until(&format!("!{} && {} && {}", shown(".list-pane"), shown(".detail h2"), shown(".tabs")));
    browser.until("document.documentElement.scrollWidth <= 390");
    browser.eval("document.querySelector('.back').click()");
    browser.until(&shown(".list-pane"));
}

/// The contrast of every visible text with what is painted behind it, after WCAG 2: the lowest, and whose it is.
const LOWEST_CONTRAST: &str = "(() => {
    const rgb = (color) => (color.match(/[0-9.]+/g) || []).map(Number);
    const light = (color) => rgb(color).slice(0, 3).map((c) => c / 255)
        .map((c) => c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
        .reduce((sum, c, at) => sum + c * [0.2126, 0.7152, 0.0722][at], 0);
    const ground = (node) => {
        for (; node; node = node.parentElement) {
            const color = getComputedStyle(node).backgroundColor;
            if ((rgb(color)[3] ?? 1) === 1) return color;
        }
        return 'rgb(255, 255, 255)';
    };
    const hasText = (node) => [...node.childNodes].some((child) => child.nodeType === 3 && child.data.trim());
    const shown = [...document.body.querySelectorAll('*')].filter((node) => hasText(node) && node.checkVisibility());
    const contrast = (node) => {
        const [low, high] = [light(getComputedStyle(node).color), light(ground(node))].sort((a, b) => a - b);
        return (high + 0.05) / (low + 0.05);
    };
    const worst = shown.sort((a, b) => contrast(a) - contrast(b))[0];
    return [contrast(worst), shown.length, worst.outerHTML.slice(0, 120)];
})()";

#[tokio::test(flavor = "multi_thread")]
async fn light_or_dark_every_word_can_be_read() {
    let (page, inbox) = page().await;
    samples::fill(&inbox);
    let mut browser = Browser::start();
    let mut grounds = Vec::new();
    for scheme in ["light", "dark"] {
        browser.prefer(scheme);
        browser.open(&page.url());
        browser.until(&format!("{ROWS} === 8"));
        for id in [8, 6] {
            browser.eval(&format!("location.hash = '#/m/{id}'"));
            browser.until("document.querySelector('#detail h2').checkVisibility()");
            let found = browser.eval(LOWEST_CONTRAST);
            assert!(20 < found[1].as_u64().unwrap(), "{found}");
            assert!(4.5 <= found[0].as_f64().unwrap(), "{scheme}: {found}");
        }
        grounds.push(browser.eval("getComputedStyle(document.body).backgroundColor"));
    }
    assert_ne!(grounds[0], grounds[1], "dark is not light");
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_messages_run_no_script_and_reach_nothing() {
    let (page, inbox) = page().await;
    let mail = samples::hostile_mail(&inbox);
    let slack = samples::hostile_slack(&inbox);
    let mut browser = Browser::start();
    for tab in ["tab-html", "tab-headers", "tab-source"] {
        browser.open(&format!("{}#/m/{mail}", page.url()));
        browser.until("document.querySelector('#detail h2').innerText.includes('<img src=x')");
        browser.eval(&format!("document.getElementById('{tab}').click()"));
        assert_unharmed(&mut browser);
    }
    // Wait until the frame has loaded to its end; its document has an origin of its own.
    browser.eval(
        "performance.clearResourceTimings(); document.querySelector('iframe.html')?.remove(); location.hash = '#/'",
    );
    browser.until("document.querySelector('#hint')");
    browser.eval(&format!("location.hash = '#/m/{mail}'"));
    browser.until("performance.getEntriesByType('resource').some((one) => one.name.endsWith('/html'))");
    browser.until(&format!("{FRAME} && {FRAME}.contentDocument === null"));
    assert_unharmed(&mut browser);

    browser.open(&format!("{}#/m/{slack}", page.url()));
    browser.until("document.querySelector('.post').innerText.includes('<script>')");
    browser.until("![...document.querySelectorAll('#detail a')].some((a) => a.protocol === 'javascript:')");
    assert_unharmed(&mut browser);

    // Opened by itself, the mail's HTML is in the same chains.
    browser.open(&format!("{}api/messages/{mail}/html", page.url()));
    browser.until("document.readyState === 'complete' && document.body.innerText.includes('Hello from Eve')");
    assert_eq!(browser.eval("typeof PWNED"), "undefined", "a script of a mail ran");
    assert_eq!(browser.eval("origin"), "null");
}

/// Every attack tries to set the same canary.
#[track_caller]
fn assert_unharmed(browser: &mut Browser) {
    browser.until("document.readyState === 'complete' && document.querySelectorAll('#list li').length > 0");
    assert_eq!(browser.eval("typeof PWNED"), "undefined", "a script of a message ran");
    let foreign = "#main script, #main img, #list svg, #detail svg, [onerror], [onload]";
    assert_eq!(
        browser.eval(&format!("document.querySelectorAll('{foreign}').length")),
        0,
        "foreign elements in the page"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_leaves_the_page_usable() {
    let (page, inbox) = page().await;
    let mut browser = Browser::start();
    browser.open(&page.url());
    browser.until("document.getElementById('live').dataset.state === 'live'");
    for round in 0..50 {
        (0..400).for_each(|n| samples::plain(&inbox, round * 400 + n));
        tokio::task::yield_now().await;
    }
    browser.until("document.querySelector('#list li').innerText.includes('Issue 19999')");
    assert_eq!(browser.eval(ROWS), 100, "rows are drawn a page at a time");
    browser.until("document.getElementById('dropped').innerText.includes('19,000 older messages')");
    browser.eval("document.getElementById('more').click()");
    browser.until(&format!("{ROWS} === 200"));
}
