//! TLS, credentials, and what is ours to mend.

use super::*;

async fn server(tls: Tls, credentials: bool) -> SmtpServer {
    let credentials = credentials.then(|| ("postrider".to_owned(), PASSWORD.to_owned()));
    SmtpServer::start_with(SmtpOptions { tls, credentials, ..SmtpOptions::default() }).await.unwrap()
}

#[tokio::test]
async fn tls_and_credentials_in_every_combination() {
    for (offered, mode) in [(Tls::Starttls, TlsMode::Starttls), (Tls::Implicit, TlsMode::Implicit)] {
        for mechanism in ["PLAIN", "LOGIN"] {
            let server = SmtpServer::start_with(SmtpOptions {
                tls: offered,
                credentials: Some(("postrider".to_owned(), PASSWORD.to_owned())),
                auth_mechanisms: vec![mechanism],
                ..SmtpOptions::default()
            })
            .await
            .unwrap();
            let channel = EmailChannel::new(with_credentials(with_tls(&server, mode), PASSWORD)).unwrap();
            for _ in 0..3 {
                check_delivered(&attempt(&channel, "ada@example.com").await);
            }
            let mails = server.mails();
            assert!(mails.iter().all(|mail| mail.tls && mail.username.as_deref() == Some("postrider")));
            assert_eq!(server.connections_made(), 1);
        }
    }
}

#[tokio::test]
async fn what_is_ours_to_mend_is_misconfigured_and_says_what_to_do() {
    let plain = server(Tls::None, true).await;
    let wrong = EmailChannel::new(with_credentials(settings(&plain), "wrong password")).unwrap();
    let answer = attempt(&wrong, "ada@example.com").await;
    check(&answer, "misconfigured", Reason::Auth);
    let text = &answer.failure().unwrap().answer;
    assert!(text.contains("email.password_file") && !text.contains("wrong password"), "{text}");
    let missing = EmailChannel::new(settings(&plain)).unwrap();
    check(&attempt(&missing, "ada@example.com").await, "misconfigured", Reason::Auth);

    let none = SmtpServer::start().await.unwrap();
    let unwanted = EmailChannel::new(with_credentials(settings(&none), PASSWORD)).unwrap();
    check(&attempt(&unwanted, "ada@example.com").await, "misconfigured", Reason::Auth);
    let secured = server(Tls::Starttls, false).await;
    let no_starttls = EmailSettings { port: none.port(), ..with_tls(&secured, TlsMode::Starttls) };
    let answer = attempt(&EmailChannel::new(no_starttls).unwrap(), "ada@example.com").await;
    check(&answer, "misconfigured", Reason::Tls);
    assert!(answer.failure().unwrap().answer.contains("does not offer STARTTLS"));
    let not_tls = EmailSettings { port: none.port(), ..with_tls(&secured, TlsMode::Implicit) };
    check(&attempt(&EmailChannel::new(not_tls).unwrap(), "ada@example.com").await, "misconfigured", Reason::Tls);

    for (mode, tls) in [(TlsMode::Starttls, Tls::Starttls), (TlsMode::Implicit, Tls::Implicit)] {
        let options = SmtpOptions { tls, certificate: CertificateName::Wrong, ..SmtpOptions::default() };
        let other = SmtpServer::start_with(options).await.unwrap();
        let answer = attempt(&EmailChannel::new(with_tls(&other, mode)).unwrap(), "ada@example.com").await;
        check(&answer, "misconfigured", Reason::Tls);
        assert!(answer.failure().unwrap().answer.contains("email.host"), "{answer:?}");
        let untrusted = EmailSettings { ca_file: Some(secured.ca_file()), ..with_tls(&other, mode) };
        check(&attempt(&EmailChannel::new(untrusted).unwrap(), "ada@example.com").await, "misconfigured", Reason::Tls);
    }
}

#[tokio::test]
async fn a_relay_that_quotes_the_password_is_not_quoted() {
    let server = server(Tls::None, true).await;
    let token = "AHBvc3RyaWRlcgBjb3JyZWN0IGhvcnNlIGJhdHRlcnk=";
    server.on(Stage::Auth).act(Act::Reply(format!("535 5.7.8 Bad command: AUTH PLAIN {token} ({PASSWORD})")));
    let channel = EmailChannel::new(with_credentials(settings(&server), PASSWORD)).unwrap();
    let answer = attempt(&channel, "ada@example.com").await;
    check(&answer, "misconfigured", Reason::Auth);
    let text = &answer.failure().unwrap().answer;
    assert!(text.contains("AUTH PLAIN *** (***)"), "{text}");
}

/// Bytes smuggled in before the handshake must not be read as if they had come through it.
#[tokio::test]
async fn nothing_said_before_the_handshake_survives_it() {
    let server = server(Tls::Starttls, false).await;
    server.on(Stage::Starttls).act(Act::AndThen(b"250 injected\r\n".to_vec()));
    let channel = EmailChannel::new(with_tls(&server, TlsMode::Starttls)).unwrap();
    check(&attempt(&channel, "ada@example.com").await, "transient", Reason::Protocol);
}
