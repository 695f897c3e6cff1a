use super::*;

fn inbox(messages_max: usize, bytes_max: usize) -> Inbox {
    Inbox::new(InboxLimits { messages_max, bytes_max }, Arc::new(|| 1_000))
}

fn mail(bytes: usize) -> Mail {
    Mail { from: String::new(), to: vec!["ada@example.com".to_owned()], raw: Bytes::from(vec![b'x'; bytes]) }
}

fn ids(inbox: &Inbox, after: u64) -> Vec<u64> {
    inbox.since(after).0.iter().map(|message| message.id).collect()
}

#[test]
fn the_oldest_go_when_there_are_too_many() {
    let inbox = inbox(3, 1_000);
    for _ in 0..5 {
        inbox.keep_mail(mail(1));
    }
    assert_eq!(ids(&inbox, 0), [3, 4, 5]);
    assert_eq!(ids(&inbox, 4), [5]);
    assert!(inbox.get(2).is_none() && inbox.get(3).is_some() && inbox.get(6).is_none());
    let counts = inbox.counts();
    assert_eq!((counts.mails, counts.dropped, counts.kept, counts.first_id), (5, 2, 3, 3));
}

#[test]
fn the_oldest_go_when_they_are_too_large() {
    let inbox = inbox(100, 1_000);
    inbox.keep_mail(mail(600));
    inbox.keep_mail(mail(300));
    inbox.keep_mail(mail(300));
    assert_eq!(ids(&inbox, 0), [2, 3]);
    inbox.keep_mail(mail(2_000));
    assert_eq!(ids(&inbox, 0), [0u64; 0], "one that is larger than the whole inbox is not kept either");
    assert_eq!(inbox.counts().dropped, 4);
    inbox.keep_mail(mail(1_000));
    assert_eq!(ids(&inbox, 0), [5]);
}

#[test]
fn a_clear_forgets_the_messages_and_goes_on_counting() {
    let inbox = inbox(100, 1_000);
    let mut changes = inbox.changes();
    inbox.keep_mail(mail(1));
    inbox.clear();
    assert!(changes.has_changed().unwrap());
    changes.mark_unchanged();
    assert!(inbox.get(1).is_none());
    assert_eq!(inbox.counts().first_id, 2);
    assert_eq!(inbox.keep_mail(mail(1)), 2);
    assert!(inbox.get(2).is_some());
    assert_eq!(inbox.counts().dropped, 0, "cleared is not dropped");
}
