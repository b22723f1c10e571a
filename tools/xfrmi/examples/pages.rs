// SPDX-License-Identifier: GPL-2.0

//! Writes the man page and the completions of shells into a directory, from the definitions of the
//! command line.

#[path = "../src/cli.rs"]
mod cli;

use std::{env, fs, io::Result, path::PathBuf};

use clap::CommandFactory;
use clap_complete::{Shell, generate_to};
use clap_mangen::Man;

fn main() -> Result<()> {
    let directory = PathBuf::from(env::args_os().nth(1).expect("usage: pages DIRECTORY"));
    fs::create_dir_all(&directory)?;
    let mut command = cli::Cli::command();
    for shell in [Shell::Bash, Shell::Fish, Shell::Zsh] {
        generate_to(shell, &mut command, "xfrmi", &directory)?;
    }
    // One for each command, as git has them.
    let mut command = command.disable_help_subcommand(true);
    command.build();
    let mut commands = vec![command.clone()];
    commands.extend(
        command
            .get_subcommands()
            .filter(|sub| sub.get_name() != "help")
            .map(|sub| {
                let name: &'static str = format!("xfrmi-{}", sub.get_name()).leak();
                sub.clone().name(name)
            }),
    );
    for one in commands {
        let file = directory.join(format!("{}.8", one.get_name()));
        Man::new(one)
            .section("8")
            .render(&mut fs::File::create(file)?)?;
    }
    Ok(())
}
