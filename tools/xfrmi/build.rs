// SPDX-License-Identifier: GPL-2.0

//! Compiles the BPF programs. `CLANG` in the environment names another compiler than those that are
//! looked for.

use std::{
    env, io,
    path::{Path, PathBuf},
    process::{Command, exit},
};

const DIRECTORY: &str = "src/bpf";
const PROGRAMS: [&str; 2] = ["drops", "dump"];

fn main() {
    println!("cargo::rerun-if-changed={DIRECTORY}");
    println!("cargo::rerun-if-env-changed=CLANG");
    let out = PathBuf::from(variable("OUT_DIR"));
    for program in PROGRAMS {
        let source = Path::new(DIRECTORY).join(format!("{program}.bpf.c"));
        if let Err(why) = compile(&source, &out.join(format!("{program}.bpf.o"))) {
            println!("cargo::error={}: {why}", source.display());
            exit(1);
        }
    }
}

fn variable(name: &str) -> String {
    env::var(name).unwrap_or_default()
}

fn compile(source: &Path, object: &Path) -> Result<(), String> {
    let compilers = match env::var("CLANG") {
        Ok(one) if !one.is_empty() => vec![one],
        _ => vec!["clang-19".to_owned(), "clang".to_owned()],
    };
    let target = match variable("CARGO_CFG_TARGET_ENDIAN").as_str() {
        "big" => "bpfeb",
        _ => "bpfel",
    };
    // Where Debian has the kernel's headers that differ between architectures.
    let headers = format!(
        "/usr/include/{}-linux-gnu",
        variable("CARGO_CFG_TARGET_ARCH")
    );
    for compiler in &compilers {
        let result = Command::new(compiler)
            .args([
                "-O2", "-g", "-Wall", "-Werror", "-mcpu=v3", "-target", target, "-I", &headers,
            ])
            .arg("-c")
            .arg(source)
            .arg("-o")
            .arg(object)
            .status();
        match result {
            Ok(status) if status.success() => return Ok(()),
            Ok(status) => {
                return Err(format!(
                    "{compiler} can't compile it ({status}): it needs libbpf-dev and linux-libc-dev"
                ));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(format!("{compiler}: {error}")),
        }
    }
    Err(format!(
        "there is no {}, which compiles BPF programs",
        compilers.join(" and no ")
    ))
}
