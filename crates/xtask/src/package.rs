//! Packages: `package`. For Debian of the window and of the server, for macOS and Windows of the window.
//!
//! The contents are tables (`package/contents.rs`), and the systems' own tools do the rest: a tool that has to be built first would
//! take minutes and know less of what is ours.

mod check;
mod contents;
mod icons;
mod macos;
mod windows;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use contents::{File, From, ICON, PACKAGES, Package, read};

use crate::packages;
use crate::process::{binary, cargo, run, workspace};
pub(crate) use icons::icons;

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Which system a package is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum System {
    Debian,
    Macos,
    Windows,
}

impl System {
    /// The one that this runs on.
    const HERE: Self = if cfg!(target_os = "macos") {
        Self::Macos
    } else if cfg!(windows) {
        Self::Windows
    } else {
        Self::Debian
    };
}

/// What is asked for.
#[derive(Debug, PartialEq, Eq)]
struct Wish {
    system: System,
    /// The window's program, in place of the one that is built here.
    program: Option<PathBuf>,
    /// "release" or "debug".
    profile: String,
    /// Whether the binaries are there already.
    is_built: bool,
    /// Whether the packages are tried afterwards.
    is_checked: bool,
    output: PathBuf,
}

impl Wish {
    fn read(args: &[String], usual: PathBuf) -> Result<Self, String> {
        let mut wish = Self {
            system: System::HERE,
            program: None,
            profile: "release".to_owned(),
            is_built: false,
            is_checked: false,
            output: usual,
        };
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            let mut value = || args.next().ok_or(format!("{arg} needs a value"));
            match arg.as_str() {
                "--profile" => match value()?.as_str() {
                    profile @ ("release" | "debug") => profile.clone_into(&mut wish.profile),
                    other => return Err(format!("--profile {other}: release or debug is wanted")),
                },
                "--for" => {
                    wish.system = match value()?.as_str() {
                        "debian" => System::Debian,
                        "macos" => System::Macos,
                        "windows" => System::Windows,
                        other => {
                            return Err(format!(
                                "--for {other}: debian, macos or windows is wanted"
                            ));
                        }
                    }
                }
                "--program" => wish.program = Some(value()?.into()),
                "--output" => wish.output = value()?.into(),
                "--built" => wish.is_built = true,
                "--check" => wish.is_checked = true,
                other => {
                    return Err(format!(
                        "package takes --for debian|macos|windows, --program FILE, --profile release|debug, --output FOLDER, --built and \
                         --check, not {other:?}"
                    ));
                }
            }
        }
        if wish.program.is_some() && wish.system == System::Debian {
            return Err(
                "--program is for macos and windows: Debian's packages have two".to_owned(),
            );
        }
        Ok(wish)
    }
}

/// Builds the packages, and tries them if that is asked for.
///
/// # Errors
/// Says what could not be made, or what is wrong with a package.
pub(crate) fn package(args: &[String]) -> Result<(), String> {
    let usual = binary("package", "it").with_file_name("");
    let wish = Wish::read(args, usual)?;
    if wish.system != System::Debian {
        return window_alone(&wish);
    }
    packages::ensure(if wish.is_checked {
        &["build", "run", "package", "package-check"]
    } else {
        &["build", "package"]
    })?;
    build(&["--workspace", "--bins"], &wish)?;
    let mut made = Vec::new();
    for package in &PACKAGES {
        let path = make(package, &wish)?;
        println!("{}", path.display());
        made.push((package.name, path));
    }
    if wish.is_checked {
        check::check(&made, &wish.output)?;
    }
    Ok(())
}

/// Packs the window for macOS or Windows.
fn window_alone(wish: &Wish) -> Result<(), String> {
    let program = if let Some(program) = &wish.program {
        program.clone()
    } else {
        packages::ensure(&["build"])?;
        build(&["--package", "desktop", "--bin", "passerby"], wish)?;
        binary(&wish.profile, "passerby")
    };
    let made = if wish.system == System::Macos {
        macos::package(&program, wish)?
    } else {
        windows::package(&program, wish)?
    };
    for path in made {
        println!("{}", path.display());
    }
    Ok(())
}

fn build(what: &[&str], wish: &Wish) -> Result<(), String> {
    if wish.is_built {
        return Ok(());
    }
    println!("Building ...");
    let mut build = cargo();
    build.arg("build").args(what);
    if wish.profile == "release" {
        build.args(["--release", "--locked"]);
    }
    run(&mut build)
}

/// Puts a package together.
fn make(package: &Package, wish: &Wish) -> Result<PathBuf, String> {
    let root = wish.output.join(format!("{}-root", package.name));
    clear(&root)?;
    let program = root.join("usr/bin").join(package.binary);
    put(&program, &[])?;
    let built = binary(&wish.profile, package.binary);
    let mut strip = Command::new("strip");
    run(strip
        .arg("--strip-unneeded")
        .arg("-o")
        .arg(&program)
        .arg(&built))
    .map_err(|error| format!("{error}; is {} built?", built.display()))?;
    for File { from, to } in package.files() {
        place(from, &root.join(to))?;
    }
    allow(&root)?;
    allow_to_run(&program)?;

    let control = root.join("DEBIAN");
    let depends = depends(package, &program, &wish.output)?;
    let kilobytes = size(&root)?.div_ceil(1024);
    let arch = output(Command::new("dpkg").arg("--print-architecture"))?;
    let arch = arch.trim();
    put(
        &control.join("control"),
        fields(package, arch, &depends, kilobytes).as_bytes(),
    )?;
    let md5sums = output(
        Command::new("sh")
            .args([
                "-c",
                "find * -type f ! -path 'DEBIAN/*' | LC_ALL=C sort | xargs md5sum",
            ])
            .current_dir(&root),
    )?;
    put(&control.join("md5sums"), md5sums.as_bytes())?;
    if !package.conffiles.is_empty() {
        let conffiles = package.conffiles.join("\n") + "\n";
        put(&control.join("conffiles"), conffiles.as_bytes())?;
    }
    for script in package.scripts {
        let from = workspace().join("crates/server/packaging").join(script);
        put(&control.join(script), read(&from)?.as_bytes())?;
    }
    allow(&control)?;
    for script in package.scripts {
        allow_to_run(&control.join(script))?;
    }

    let path = (wish.output).join(format!("{}_{VERSION}_{arch}.deb", package.name));
    // One for trials is not worth the time of the best compression.
    let compression = if wish.profile == "release" {
        "-Zxz"
    } else {
        "-Znone"
    };
    let mut deb = Command::new("dpkg-deb");
    deb.args(["--root-owner-group", compression, "--build"]);
    run(deb.arg(&root).arg(&path).stdout(Stdio::null()))?;
    fs::remove_dir_all(&root).map_err(|error| said(&root, &error))?;
    Ok(path)
}

/// The fields of a package (deb-control(5)).
fn fields(package: &Package, arch: &str, depends: &str, kilobytes: u64) -> String {
    let mut text = format!(
        "Package: {}\nVersion: {VERSION}\nArchitecture: {arch}\nMaintainer: The Passerby contributors <passerby@localhost>\n\
         Installed-Size: {kilobytes}\nDepends: {depends}\nSection: {}\nPriority: optional\nDescription: {}\n",
        package.name, package.section, package.summary
    );
    if !package.recommends.is_empty() {
        let before = "Section: ";
        let recommends = format!("Recommends: {}\n{before}", package.recommends);
        text = text.replacen(before, &recommends, 1);
    }
    for line in package.description {
        text += &[" ", line, "\n"].concat();
    }
    text
}

/// What must be installed with it.
fn depends(package: &Package, program: &Path, folder: &Path) -> Result<String, String> {
    // It reads the name of its source package from here, and nothing else.
    put(&folder.join("debian/control"), b"Source: passerby\n")?;
    let program = fs::canonicalize(program).map_err(|error| said(program, &error))?;
    let linked = output(
        Command::new("dpkg-shlibdeps")
            .args(["-O", "--ignore-missing-info"])
            .arg(program)
            .current_dir(folder)
            .stderr(Stdio::null()),
    )?;
    let debian = folder.join("debian");
    fs::remove_dir_all(&debian).map_err(|error| said(&debian, &error))?;
    let linked = linked.trim().trim_start_matches("shlibs:Depends=");
    let mut all: Vec<&str> = linked.split(", ").collect();
    all.extend(package.depends);
    if package.opens_libraries {
        for opened in packages::listed(&["run"]) {
            let is_linked = |one: &&str| one.split(' ').next() == Some(opened);
            if !all.iter().any(is_linked) {
                all.push(opened);
            }
        }
    }
    Ok(all.join(", "))
}

fn place(from: &From, to: &Path) -> Result<(), String> {
    let root = workspace();
    match from {
        From::Copied(path) => put(to, read(&root.join(path))?.as_bytes()),
        From::Filled(path) => put(to, filled(&read(&root.join(path))?)?.as_bytes()),
        From::Zipped(path) => {
            put(to, &[])?;
            let file = fs::File::create(to).map_err(|error| said(to, &error))?;
            run(Command::new("gzip")
                .args(["-9nc"])
                .arg(root.join(path))
                .stdout(file))
        }
        From::Icon(size) => {
            put(to, &[])?;
            let size = size.to_string();
            let mut draw = Command::new("rsvg-convert");
            draw.args(["--width", &size, "--height", &size]);
            run(draw.arg("--output").arg(to).arg(root.join(ICON)))
        }
        From::Copyright(parts) => {
            let head = "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n\
                        Upstream-Name: Passerby\n";
            let parts: Vec<String> = (parts.iter())
                .map(|part| part.paragraph(&root))
                .collect::<Result<_, _>>()?;
            put(to, format!("{head}\n{}", parts.join("\n")).as_bytes())
        }
    }
}

/// The text as it is in the package: programs of packages are in another place than those that are built by hand.
fn filled(text: &str) -> Result<String, String> {
    let date = output(Command::new("date").args(["--utc", "--iso-8601"]))?;
    Ok(text
        .replace("/usr/local/bin/", "/usr/bin/")
        .replace("/etc/systemd/system/", "/lib/systemd/system/")
        .replace("@VERSION@", VERSION)
        .replace("@DATE@", date.trim()))
}

/// Writes a file, and makes its folders.
fn put(path: &Path, bytes: &[u8]) -> Result<(), String> {
    let folder = path.parent().unwrap_or(path);
    fs::create_dir_all(folder).map_err(|error| said(folder, &error))?;
    fs::write(path, bytes).map_err(|error| said(path, &error))
}

/// Takes away a folder with what is in it, if there is one.
fn clear(folder: &Path) -> Result<(), String> {
    if folder.exists() {
        fs::remove_dir_all(folder).map_err(|error| said(folder, &error))?;
    }
    Ok(())
}

/// Everybody may read what is in it, whatever the mask of the one who builds.
fn allow(folder: &Path) -> Result<(), String> {
    run(Command::new("chmod")
        .args(["-R", "u=rwX,go=rX"])
        .arg(folder))
}

#[cfg(unix)]
fn allow_to_run(path: &Path) -> Result<(), String> {
    use std::os::unix::fs::PermissionsExt as _;

    let mode = fs::Permissions::from_mode(0o755);
    fs::set_permissions(path, mode).map_err(|error| said(path, &error))
}

/// Windows tells programs by their names.
#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "it can fail elsewhere")]
fn allow_to_run(_: &Path) -> Result<(), String> {
    Ok(())
}

/// Bytes of all files in a folder.
fn size(folder: &Path) -> Result<u64, String> {
    let mut sum = 0;
    for entry in fs::read_dir(folder).map_err(|error| said(folder, &error))? {
        let entry = entry.map_err(|error| said(folder, &error))?;
        let about = entry.metadata().map_err(|error| said(folder, &error))?;
        sum += if about.is_dir() {
            size(&entry.path())?
        } else {
            about.len()
        };
    }
    Ok(sum)
}

fn said(path: &Path, error: &std::io::Error) -> String {
    format!("{}: {error}", path.display())
}

/// What a command prints.
fn output(command: &mut Command) -> Result<String, String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let bytes = output_bytes(command)?;
    String::from_utf8(bytes).map_err(|_| format!("{name} printed no text"))
}

/// What a command writes to its standard output.
fn output_bytes(command: &mut Command) -> Result<Vec<u8>, String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let done = command
        .output()
        .map_err(|error| format!("{name} could not be started: {error}"))?;
    if !done.status.success() {
        return Err(format!("{name} failed ({})", done.status));
    }
    Ok(done.stdout)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish(words: &[&str]) -> Result<Wish, String> {
        let words: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
        Wish::read(&words, "usual".into())
    }

    #[test]
    fn a_package_is_built_for_speed_unless_something_else_is_asked_for() {
        let usual = wish(&[]).unwrap();
        assert_eq!(usual.profile, "release");
        assert!(!usual.is_built && !usual.is_checked);

        let trial = wish(&[
            "--profile",
            "debug",
            "--built",
            "--check",
            "--output",
            "here",
        ])
        .unwrap();
        assert_eq!(
            (trial.profile.as_str(), trial.output),
            ("debug", "here".into())
        );
        assert!(trial.is_built && trial.is_checked);
        let elsewhere = wish(&["--for", "windows", "--program", "it.exe"]).unwrap();
        assert_eq!(elsewhere.system, System::Windows);
        assert_eq!(elsewhere.program, Some("it.exe".into()));
        for wrong in [
            &["--profile", "fast"][..],
            &["--profile"],
            &["--install"],
            &["--for", "amiga"],
            &["--for", "debian", "--program", "it"],
        ] {
            assert!(wish(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn what_the_tables_name_is_there() {
        let root = workspace();
        for package in &PACKAGES {
            for file in package.files() {
                let paths = match &file.from {
                    From::Copied(path) | From::Filled(path) | From::Zipped(path) => vec![*path],
                    From::Icon(_) => vec![ICON],
                    From::Copyright(parts) => parts.iter().map(|part| part.text).collect(),
                };
                for path in paths {
                    assert!(root.join(path).is_file(), "{path}");
                }
                assert!(!file.to.starts_with('/'), "{}", file.to);
            }
            for conffile in package.conffiles {
                let mut files = package.files();
                assert!(files.any(|file| conffile.strip_prefix('/') == Some(file.to)));
            }
        }
    }

    #[test]
    fn the_unit_of_the_package_starts_the_program_of_the_package() {
        let unit = workspace().join("crates/server/packaging/passerby-server.service");
        let unit = filled(&read(&unit).unwrap()).unwrap();
        let start = "ExecStart=/usr/bin/passerby-server --config /etc/passerby/server.toml\n";
        assert!(unit.contains(start), "{unit}");
    }
}
