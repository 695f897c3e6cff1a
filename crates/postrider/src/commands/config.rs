//! `postrider config …`

use crate::{
    cli::{ConfigCommand, Global},
    config::{Config, DEFAULT, Layers, Problems, Scope, environment, redacted_json, redacted_toml},
    failure::Failure,
    output,
};

/// Checks or shows the configuration.
pub(crate) fn run(command: ConfigCommand, global: &Global) -> Result<(), Failure> {
    match command {
        ConfigCommand::Check => check(global),
        ConfigCommand::Print { json } => print(global, json),
        ConfigCommand::Default => Ok(output::print(DEFAULT)?),
    }
}

fn check(global: &Global) -> Result<(), Failure> {
    let config = Config::load(global.config.as_deref(), Scope::ALL)?;
    let lanes: Vec<_> = config.lanes.iter().map(|lane| lane.name.as_str()).collect();
    let lanes = match lanes.as_slice() {
        [] => "no lane: neither email.host nor a Slack destination is set".to_owned(),
        some => format!("lanes: {}", some.join(", ")),
    };
    Ok(output::print(&format!("configuration is valid; {lanes}\n"))?)
}

/// Prints what was written even where it is wrong: it is what one looks at to see why.
fn print(global: &Global, json: bool) -> Result<(), Failure> {
    let layers: Result<Layers, Problems> = Layers::read(global.config.as_deref(), environment()?.into_iter());
    let layers = layers?;
    if json {
        output::print_json(&redacted_json(&layers)?)?;
    } else {
        output::print(&redacted_toml(&layers)?)?;
    }
    Ok(())
}
