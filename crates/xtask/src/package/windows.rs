//! The installer for Windows, by NSIS (`assets/windows/passerby.nsi`), which runs on other systems, too.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{VERSION, Wish, output, said};
use crate::packages::is_on_path;
use crate::process::{run, workspace};

const SCRIPT: &str = "assets/windows/passerby.nsi";
const COMPILER: &str = "makensis";

/// Makes it of `program`.
pub(super) fn package(program: &Path, wish: &Wish) -> Result<Vec<PathBuf>, String> {
    fs::create_dir_all(&wish.output).map_err(|error| said(&wish.output, &error))?;
    // The script is compiled in a folder of its own.
    let folder = fs::canonicalize(&wish.output).map_err(|error| said(&wish.output, &error))?;
    let installer = plain(&folder).join(format!("passerby_{VERSION}_x64-setup.exe"));
    compile(program, &installer)?;
    if wish.is_checked && cfg!(windows) {
        check(&installer, &plain(&folder).join("installed"))?;
    }
    Ok(vec![installer])
}

fn compile(program: &Path, installer: &Path) -> Result<(), String> {
    if !is_on_path(COMPILER) {
        return Err(format!(
            "{COMPILER} is needed: https://nsis.sourceforge.io, or Debian's package nsis"
        ));
    }
    let program = fs::canonicalize(program).map_err(|error| said(program, &error))?;
    let bytes = fs::metadata(&program).map_err(|error| said(&program, &error))?;
    let root = workspace();
    let mut compiler = Command::new(COMPILER);
    // Warnings are errors.
    compiler.args(["-V2", "-WX"]);
    for (name, value) in [
        ("VERSION", VERSION.to_owned()),
        ("KILOBYTES", bytes.len().div_ceil(1024).to_string()),
        ("PROGRAM", plain(&program).display().to_string()),
        ("ROOT", root.display().to_string()),
        ("OUTPUT", installer.display().to_string()),
    ] {
        compiler.arg(format!("-D{name}={value}"));
    }
    run(compiler.arg(root.join(SCRIPT)))
}

/// Without the prefix that Windows gives to whole paths and that not all programs know.
fn plain(path: &Path) -> PathBuf {
    let text = path.to_string_lossy();
    PathBuf::from(text.strip_prefix(r"\\?\").unwrap_or(&text))
}

/// Installs it, starts what was installed, and takes it away again.
fn check(installer: &Path, folder: &Path) -> Result<(), String> {
    let into = format!("/D={}", folder.display());
    run(Command::new(installer).args(["/S", &into]))?;
    let program = folder.join("passerby.exe");
    let said = output(Command::new(&program).arg("--version"))?;
    if !said.contains(VERSION) {
        return Err(format!("the installed program says {said:?}"));
    }
    let key = r"HKCU\Software\Classes\passerby\shell\open\command";
    let opens = output(Command::new("reg").args(["query", key, "/ve"]))?;
    if !opens.contains("passerby.exe") {
        return Err(format!("links are opened by {opens:?}"));
    }
    // `_?=` has it run in its place and be waited for.
    let place = format!("_?={}", folder.display());
    run(Command::new(folder.join("uninstall.exe")).args(["/S", &place]))?;
    if program.exists() || output(Command::new("reg").args(["query", key])).is_ok() {
        return Err("the installer leaves something behind".to_owned());
    }
    println!("installed, started and taken away again: {}", said.trim());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_installer_is_compiled_without_a_warning() {
        if !is_on_path(COMPILER) {
            println!("not tested: {COMPILER} is not installed");
            return;
        }
        let folder = std::env::temp_dir().join(format!("passerby-setup-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let installer = folder.join("passerby-setup.exe");
        // Any file will do in place of the program.
        compile(&workspace().join("Cargo.lock"), &installer).unwrap();
        let made = fs::read(&installer).unwrap();
        assert!(
            made.starts_with(b"MZ") && made.len() > 50_000,
            "{}",
            made.len()
        );
        fs::remove_dir_all(&folder).unwrap();
    }

    /// Whatever the section installs, the uninstaller takes away, and no other key of the registry.
    #[test]
    fn what_is_installed_is_taken_away_again() {
        let script = fs::read_to_string(workspace().join(SCRIPT)).unwrap();
        let (install, uninstall) = script.split_once("Section \"Uninstall\"").unwrap();
        let words = |text: &str, order: &str| -> Vec<String> {
            let lines = text.lines().map(str::trim);
            let lines = lines.filter_map(|line| line.strip_prefix(order));
            lines.map(|rest| rest.trim().to_owned()).collect()
        };
        for file in words(install, "File ") {
            let named = file
                .split_once("/oname=")
                .map(|(_, rest)| rest.split('"').next());
            let name = named
                .flatten()
                .unwrap_or_else(|| file.trim_matches('"').rsplit('/').next().unwrap());
            let gone = format!("Delete \"$INSTDIR\\{name}\"");
            assert!(uninstall.contains(&gone), "{gone}");
        }
        let keys = [
            words(install, "WriteRegStr "),
            words(install, "WriteRegDWORD "),
        ]
        .concat();
        assert!(keys.len() > 10);
        for key in keys {
            let key = key.split('"').nth(1).unwrap().split('\\');
            let gone = uninstall
                .lines()
                .filter_map(|line| line.trim().strip_prefix("DeleteRegKey HKCU "));
            let is_gone = gone.map(|gone| gone.trim_matches('"')).any(|gone| {
                let whole: Vec<&str> = key.clone().collect();
                whole.join("\\").starts_with(gone)
            });
            assert!(is_gone, "{key:?}");
        }
        // What belongs to all users needs an administrator.
        assert!(!script.contains("HKLM") && script.contains("RequestExecutionLevel user"));
    }
}
