use std::{fs, path::PathBuf, time::Duration};

use super::*;

fn load(text: &str, variables: &[(&str, &str)]) -> Result<Config, Problems> {
    let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Config::check(&Layers::of(Some(("test.toml", text)), variables)?, Scope::ALL)
}

fn testdata() -> Vec<PathBuf> {
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("testdata");
    let mut files: Vec<_> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// Every rule has a file that breaks it and says in its `#!` lines what must be reported: all of it, and nothing else.
#[test]
fn every_bad_file_gets_exactly_the_problems_it_names() {
    let files = testdata();
    assert!(files.len() > 40, "the files are found: {files:?}");
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        let expected: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("#! ")).collect();
        let Err(problems) = load(&text, &[]) else { panic!("{} is accepted", file.display()) };
        let found = problems.list();
        assert_eq!(found.len(), expected.len(), "{}: {found:#?}", file.display());
        for expected in expected {
            assert!(
                found.iter().any(|found| found.contains(expected)),
                "{}: {expected} is not in {found:#?}",
                file.display()
            );
        }
        assert!(!problems.to_string().contains("hunter2"), "{} shows a secret: {problems}", file.display());
    }
}

#[test]
fn a_problem_says_where_it_was_written() {
    let problems =
        load("[topics]\npartitions = 0\n", &[("POSTRIDER__RETRY__DELAY_MIN", "soon")]).unwrap_err().to_string();
    assert!(problems.contains("10000 (in test.toml)"), "{problems}");
    assert!(problems.contains("(in the environment, POSTRIDER__RETRY__DELAY_MIN)"), "{problems}");
}

#[test]
fn the_default_alone_is_valid_and_has_no_lane() {
    let config = load("", &[]).unwrap();
    assert!(config.lanes.is_empty());
    assert_eq!(config.kafka.bootstrap_servers, "localhost:9092");
    let plan = config.topic_plan();
    let window = Duration::from_secs((7 + 1 + 1) * 86_400 + 3_600);
    assert_eq!(plan.kept_as_planned().receipts, window);
    assert_eq!(plan.events_max_bytes(), 10 * 1024 * 1024 + 64 * 1024);
    assert_eq!(plan.inner_max_bytes(), 10 * 1024 * 1024 + 128 * 1024);
    let not_before_max = Duration::from_secs((7 - 1) * 86_400 - 3_600);
    assert_eq!(wiring::ingest(&config).not_before_max, not_before_max, "give_up_after counts from it");
}

#[test]
fn lanes_are_there_as_soon_as_their_channel_is_configured() {
    let names = |text: &str| -> Vec<String> {
        load(text, &[]).unwrap().lanes.iter().map(|lane| lane.name.to_string()).collect()
    };
    let email = "[email]\nhost = 'localhost'\nfrom = 'Shop <no-reply@example.com>'\n";
    let slack = "[slack.destinations.ops]\nwebhook_url = 'https://hooks.example.com/x'\n";
    assert_eq!(names(email), ["email"]);
    assert_eq!(names(slack), ["slack"]);
    assert_eq!(names(&format!("{email}{slack}")), ["email", "slack"]);
    assert_eq!(names(&format!("{email}[lanes.mail]\nchannel = 'email'\n")), ["mail"], "another name takes its place");
    let config = load(&format!("{email}[lanes.mail]\nchannel = 'email'\n"), &[]).unwrap();
    assert_eq!(config.lanes[0].in_flight_max, 500, "what it leaves out comes from the channel's default lane");
}

#[test]
fn the_environment_overrides_the_file_at_any_depth() {
    let config = load(
        "[topics]\npartitions = 3\n",
        &[
            ("POSTRIDER__TOPICS__PARTITIONS", "4"),
            ("POSTRIDER__SLACK__DESTINATIONS__OPS__WEBHOOK_URL", "https://hooks.example.com/x"),
            ("POSTRIDER__KAFKA__PROPERTIES__SESSION_TIMEOUT_MS", "9000"),
            ("POSTRIDER__EMAIL__HOST", "localhost"),
            ("POSTRIDER__EMAIL__FROM", "no-reply@example.com"),
            ("POSTRIDER__EMAIL__RECIPIENTS_ALLOWED", "*@example.com, ada@example.org"),
            ("POSTRIDER__EMAIL__USERNAME", "007"),
            ("POSTRIDER__EMAIL__PASSWORD", "1e5"),
            ("POSTRIDER__INGEST__KEYS__0__SOURCE", "shop"),
            ("POSTRIDER__INGEST__KEYS__0__KEY", "0123"),
            ("POSTRIDER_API_KEY", "is not ours to check"),
        ],
    )
    .unwrap();
    assert_eq!(config.topics.partitions, 4);
    assert_eq!(config.slack.unwrap().destinations[0].name.as_str(), "ops");
    assert_eq!(config.kafka.properties["session.timeout.ms"], "9000");
    let email = config.email.unwrap();
    assert_eq!(email.recipients_allowed, ["*@example.com", "ada@example.org"]);
    let (username, password) = email.credentials.unwrap();
    assert_eq!((username.as_str(), password.reveal()), ("007", "1e5"), "texts stay as they were written");
    assert_eq!(config.ingest.keys[0].key.reveal(), "0123");
}

/// A variable for one item of a list leaves the others as they are: it is a third key here, and a field of the first.
#[test]
fn the_environment_adds_to_a_list_and_takes_nothing_from_it() {
    let text = "[[ingest.keys]]\nsource = 'shop'\nkey = 'a'\n[[ingest.keys]]\nsource = 'billing'\nkey = 'b'\n";
    let variables = [
        ("POSTRIDER__INGEST__KEYS__0__KEY", "c"),
        ("POSTRIDER__INGEST__KEYS__2__SOURCE", "stock"),
        ("POSTRIDER__INGEST__KEYS__2__KEY", "d"),
    ];
    let config = load(text, &variables).unwrap();
    let keys: Vec<_> = config.ingest.keys.iter().map(|key| (key.source.as_str(), key.key.reveal())).collect();
    assert_eq!(keys, [("shop", "c"), ("billing", "b"), ("stock", "d")]);
    let problems = load(text, &[("POSTRIDER__INGEST__KEYS__2__KEY", "d")]).unwrap_err().to_string();
    assert!(problems.contains("ingest.keys.2.source: is missing"), "{problems}");
    let list = load("[email]\nrecipients_allowed = ['*']\n", &[("POSTRIDER__EMAIL__RECIPIENTS_ALLOWED__1", "*@b")]);
    assert!(list.unwrap_err().to_string().contains("email.recipients_allowed: must be a list of texts"));
}

#[test]
fn secrets_out_of_scope_are_not_read() {
    let text =
        "[email]\nhost = 'localhost'\nfrom = 'a@example.com'\nusername = 'u'\npassword_file = 'does-not-exist'\n";
    let layers = Layers::of(Some(("test.toml", text)), std::iter::empty()).unwrap();
    assert!(Config::check(&layers, Scope::INGEST).is_ok());
    assert!(Config::check(&layers, Scope::LANES).is_err());
}

/// What never talks to Kafka needs none of its secrets, and a test of one channel none of the other's.
#[test]
fn a_command_needs_the_secrets_of_its_part_alone() {
    let text = "[kafka]\nsecurity_protocol = 'sasl_plaintext'\nsasl_mechanism = 'PLAIN'\nsasl_username = 'u'\n\
        sasl_password_file = 'no-kafka'\n[kafka.properties]\n'ssl.key.password_file' = 'no-kafka'\n\
        [email]\nhost = 'localhost'\nfrom = 'a@example.com'\nusername = 'u'\npassword_file = 'no-email'\n\
        [slack.destinations.ops]\nwebhook_url_file = 'no-slack'\n";
    let layers = Layers::of(Some(("test.toml", text)), std::iter::empty()).unwrap();
    for (scope, missed) in [
        (Scope::NONE, &[][..]),
        (Scope::KAFKA, &["no-kafka", "no-kafka"]),
        (Scope::EMAIL, &["no-email"]),
        (Scope::SLACK, &["no-slack"]),
        (Scope::LANES, &["no-email", "no-kafka", "no-kafka", "no-slack"]),
    ] {
        let problems = Config::check(&layers, scope).map(|_| Vec::new()).unwrap_or_else(|found| found.list().to_vec());
        let mut found: Vec<_> = problems
            .iter()
            .map(|problem| problem.split("cannot read ").nth(1).unwrap().split(':').next().unwrap())
            .collect();
        found.sort_unstable();
        assert_eq!(found, missed, "{scope:?}: {problems:?}");
    }
}

/// From a file `key_file`, from the environment the same with every dot an underscore.
#[test]
fn a_secret_property_comes_from_a_file_like_every_secret() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("password");
    fs::write(&path, "hunter2\n").unwrap();
    let text = format!("[kafka.properties]\n'ssl.key.password_file' = '{}'\n", path.display());
    let variable = ("POSTRIDER__KAFKA__PROPERTIES__SSL_KEY_PASSWORD_FILE", path.to_str().unwrap());
    for config in [load(&text, &[]), load("", &[variable])] {
        assert_eq!(config.unwrap().kafka.properties["ssl.key.password"], "hunter2");
    }
}

#[test]
fn a_secret_file_loses_its_last_line_break_only() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("password");
    fs::write(&file, " pass word \r\n").unwrap();
    let text = format!(
        "[email]\nhost = 'localhost'\nfrom = 'a@example.com'\nusername = 'u'\npassword_file = '{}'\n",
        file.display()
    );
    let email = load(&text, &[]).unwrap().email.unwrap();
    assert_eq!(email.credentials.unwrap().1.reveal(), " pass word ");
}

#[test]
fn print_shows_everything_but_secrets() {
    let text = "[email]\nhost = 'mail.example.com'\nusername = 'u'\npassword = 'hunter2'\n\
        [slack.destinations.ops]\nwebhook_url = 'https://hooks.example.com/hunter2'\n\
        [slack.destinations.sales]\nchannel = 'C1'\ntoken = 'hunter2'\n\
        [[ingest.keys]]\nsource = 'shop'\nkey = 'hunter2'\n\
        [kafka]\nsasl_password = 'hunter2'\n[kafka.properties]\n'ssl.key.password' = 'hunter2'\n";
    let layers = Layers::of(Some(("test.toml", text)), std::iter::empty()).unwrap();
    let toml = redacted_toml(&layers).unwrap();
    assert!(!toml.contains("hunter2"), "{toml}");
    assert_eq!(toml.matches("***").count(), 6, "{toml}");
    assert!(toml.contains("mail.example.com") && toml.contains("source = \"shop\""), "{toml}");
    let table: toml::Table = toml::from_str(&toml).unwrap();
    assert_eq!(table["topics"]["partitions"].as_integer(), Some(12));
    assert_eq!(redacted_json(&layers).unwrap()["email"]["password"], "***");
}

/// Whatever form a secret was given in: by a variable, whose name has no dots, as a table, or by mistake as a list.
#[test]
fn print_shows_no_secret_in_any_form() {
    let text = "[email]\npassword = ['hunter2']\n[slack.destinations.ops]\nwebhook_url = { a = 'hunter2' }\n\
        [kafka.properties]\nsasl.jaas.config = 'hunter2'\nssl.key.pem = 'hunter2'\n\
        'sasl.oauthbearer.assertion.private.key.passphrase' = 'hunter2'\n";
    let variables = ["SSL_KEY_PEM", "SASL_JAAS_CONFIG", "SASL_OAUTHBEARER_CONFIG", "SSL_KEYSTORE_PASSWORD"];
    let variables = variables.map(|name| (format!("POSTRIDER__KAFKA__PROPERTIES__{name}"), "hunter2".to_owned()));
    let layers = Layers::of(Some(("test.toml", text)), variables.into_iter()).unwrap();
    let toml = redacted_toml(&layers).unwrap();
    assert!(!toml.contains("hunter2"), "{toml}");
    assert_eq!(toml.matches("***").count(), 9, "{toml}");
}

/// Active or shown as `# key = …`, every key and every table of the default file has a comment right above it.
#[test]
fn no_key_of_the_default_file_lacks_a_comment() {
    let mut previous = "";
    for (number, line) in DEFAULT.lines().enumerate() {
        let setting = line.strip_prefix("# ").unwrap_or(line);
        if is_key(setting) {
            let commented = previous.starts_with("# ") && !is_key(previous.trim_start_matches("# "));
            assert!(commented, "line {}: {line} has no comment above it", number + 1);
        }
        previous = line;
    }
    assert!(DEFAULT.lines().all(|line| line.chars().count() <= 120), "lines of at most 120 characters");
}

fn is_key(line: &str) -> bool {
    line.split_once(" = ").is_some_and(|(key, _)| !key.is_empty() && !key.contains(' '))
}

/// Whatever the default file shows as `# key = …` is a key that is known.
#[test]
fn what_the_default_file_shows_is_known() {
    let shown: String = DEFAULT
        .lines()
        .map(|line| match line.strip_prefix("# ") {
            Some(setting) if is_key(setting) || setting.starts_with('[') => setting,
            _ => line,
        })
        .flat_map(|line| [line, "\n"])
        .collect();
    let problems = load(&shown, &[]).map(|_| Vec::new()).unwrap_or_else(|problems| problems.list().to_vec());
    let unknown: Vec<_> = problems.iter().filter(|problem| problem.contains("is no key here")).collect();
    assert!(unknown.is_empty(), "{unknown:#?}");
}

#[test]
fn dev_takes_over_names_but_nothing_that_points_outside() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("production.toml");
    let text = "[kafka]\nbootstrap_servers = 'kafka.example.com:9092'\nsecurity_protocol = 'sasl_ssl'\n\
        [[ingest.keys]]\nsource = 'shop'\nkey_file = 'does-not-exist'\n\
        [email]\nhost = 'mail.example.com'\nusername = 'u'\npassword_file = 'does-not-exist'\nfrom = 'shop@example.com'\n\
        [slack]\napi_url = 'https://slack.example.com/api'\n\
        [slack.destinations.alerts]\nchannel = 'C1'\ntoken_file = 'does-not-exist'\n";
    fs::write(&file, text).unwrap();
    let variables = [("POSTRIDER__EMAIL__HOST", "mail2.example.com"), ("POSTRIDER__RETRY__DELAY_MIN", "1s")];
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let layers = Layers::read_for_dev(Some(&file), variables.into_iter()).unwrap();
    let config = Config::check(&layers, Scope::LANES).unwrap();
    assert_eq!(config.kafka.bootstrap_servers, "localhost:9092", "the default; dev puts its own broker there");
    assert!(config.ingest.keys.is_empty());
    let email = config.email.unwrap();
    assert_eq!((email.host.as_str(), email.from.address.as_str()), ("127.0.0.1", "shop@example.com"));
    assert!(email.credentials.is_none());
    let slack = config.slack.unwrap();
    assert_eq!(slack.destinations.len(), 1);
    assert_eq!(slack.destinations[0].name.as_str(), "alerts");
    assert!(matches!(&slack.destinations[0].access, Access::Webhook(url) if url.reveal().contains("127.0.0.1")));
    assert_eq!(config.retry.delay_min, Duration::from_secs(1));
    assert_eq!(config.lanes.len(), 2);
}

/// Where a production's file lies, `dev` starts as well: nothing of it leads outside or wants its secrets.
#[test]
fn dev_starts_beside_the_files_of_a_production() {
    let deploy = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../deploy");
    for file in ["compose/postrider.toml", "kubernetes/postrider.toml"] {
        let config = Config::load_for_dev(Some(&deploy.join(file)));
        let config = config.unwrap_or_else(|problems| panic!("{file}: {problems}"));
        assert!(config.ingest.keys.is_empty() && config.lanes.len() == 2, "{file}");
    }
}
