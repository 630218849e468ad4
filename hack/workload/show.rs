//! What a container is like inside: the tests of the fields of a task definition look at it, because the image has no shell.

use std::ffi::OsString;
use std::fs;
use std::io::{Error, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Writes its own words into the files of `write`, then prints what is at each of `paths`.
pub(crate) fn show(write: &[PathBuf], paths: &[PathBuf]) -> ExitCode {
    for path in write {
        // A refusal is part of the answer.
        if let Err(error) = fs::write(path, "written\n") {
            say(path, &format!("cannot be written: {error}"));
        }
    }
    for path in paths {
        match look(path) {
            Ok(found) => say(path, &found),
            Err(error) => say(path, &format!("cannot be read: {error}")),
        }
    }
    ExitCode::SUCCESS
}

fn say(path: &Path, found: &str) {
    // Whoever closed standard output does not want to know.
    drop(writeln!(
        std::io::stdout(),
        "== {}\n{found}",
        path.display()
    ));
}

fn look(path: &Path) -> Result<String, Error> {
    let kind = fs::symlink_metadata(path)?;
    let kind_of = kind.file_type();
    if kind_of.is_symlink() {
        return Ok(format!("-> {}", fs::read_link(path)?.display()));
    }
    if kind_of.is_dir() {
        let names = fs::read_dir(path)?.map(|entry| Ok(entry?.file_name()));
        let mut names: Vec<OsString> = names.collect::<Result<_, Error>>()?;
        names.sort();
        return Ok(format!("{names:?}"));
    }
    if kind_of.is_char_device() {
        let (major, minor) = (kind.rdev() >> 8, kind.rdev() & 0xff);
        return Ok(format!("character device {major}:{minor}"));
    }
    let text = String::from_utf8_lossy(&fs::read(path)?).replace('\0', "\n");
    Ok(text.trim_end().to_owned())
}
