//! `postrider man [DIR]`

use std::{fs, path::Path};

use anyhow::Context;
use clap::CommandFactory;

use crate::{cli::Cli, failure::Failure, output};

/// Prints the main page, or writes a page per subcommand.
pub(crate) fn run(directory: Option<&Path>) -> Result<(), Failure> {
    let mut command = Cli::command();
    command.build();
    match directory {
        None => Ok(output::print(&String::from_utf8_lossy(&page(command)?))?),
        Some(directory) => {
            fs::create_dir_all(directory).with_context(|| format!("cannot create {}", directory.display()))?;
            Ok(write_all(&command, "postrider", directory)?)
        }
    }
}

fn write_all(command: &clap::Command, name: &str, directory: &Path) -> anyhow::Result<()> {
    let file = directory.join(format!("{name}.1"));
    // clap wants names that live as long as the program; there are some twenty of them.
    let titled = command.clone().name(name.to_owned().leak() as &'static str);
    fs::write(&file, page(titled)?).with_context(|| format!("cannot write {}", file.display()))?;
    for inner in command.get_subcommands() {
        write_all(inner, &format!("{name}-{}", inner.get_name()), directory)?;
    }
    Ok(())
}

fn page(command: clap::Command) -> anyhow::Result<Vec<u8>> {
    let mut page = Vec::new();
    clap_mangen::Man::new(command).render(&mut page).context("cannot make the manual page")?;
    Ok(page)
}
