//! `Passerby.app` for macOS: a folder of a certain form, signed, in a disk image and in an archive.
//!
//! The folder is put together on any system; signing and packing need Apple's tools, and so a Mac.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::contents::read;
use super::icons::ICNS;
use super::{VERSION, Wish, allow_to_run, clear, output, put, said};
use crate::process::{run, workspace};

const INFO: &str = "assets/macos/Info.plist";
const ENTITLEMENTS: &str = "assets/macos/entitlements.plist";
/// Whose signature it gets: the name of a certificate in the keychain. Without it, it is signed by nobody ("ad hoc"), which a Mac
/// starts after its owner has allowed it.
const IDENTITY: &str = "PASSERBY_SIGN_IDENTITY";

/// Makes it of `program`. Returns what can be given to people; elsewhere than on a Mac that is nothing.
pub(super) fn package(program: &Path, wish: &Wish) -> Result<Vec<PathBuf>, String> {
    let app = wish.output.join("Passerby.app");
    assemble(program, &app)?;
    println!("{}", app.display());
    if !cfg!(target_os = "macos") {
        println!("not signed and not packed: that needs a Mac");
        return Ok(Vec::new());
    }
    sign(&app)?;
    if wish.is_checked {
        check(&app)?;
    }
    let name = format!("passerby_{VERSION}_{}", std::env::consts::ARCH);
    let archive = wish.output.join(format!("{name}.zip"));
    run(Command::new("ditto")
        .args(["-c", "-k", "--keepParent"])
        .arg(&app)
        .arg(&archive))?;
    let image = wish.output.join(format!("{name}.dmg"));
    pack(&app, &image, &wish.output)?;
    if wish.is_checked {
        run(Command::new("hdiutil").arg("verify").arg(&image))?;
    }
    Ok(vec![archive, image])
}

/// Puts the folder together.
fn assemble(program: &Path, app: &Path) -> Result<(), String> {
    clear(app)?;
    let root = workspace();
    let contents = app.join("Contents");
    let info = read(&root.join(INFO))?.replace("@VERSION@", VERSION);
    put(&contents.join("Info.plist"), info.as_bytes())?;
    put(&contents.join("PkgInfo"), b"APPL????")?;
    let resources = contents.join("Resources");
    for (from, to) in [
        (ICNS, "passerby.icns"),
        ("LICENSE-MIT", "LICENSE-MIT"),
        ("LICENSE-APACHE", "LICENSE-APACHE"),
        ("assets/fonts/OFL.txt", "LICENSE-FONT"),
    ] {
        let from = root.join(from);
        let bytes = fs::read(&from).map_err(|error| said(&from, &error))?;
        put(&resources.join(to), &bytes)?;
    }
    let inside = contents.join("MacOS/passerby");
    put(&inside, &[])?;
    fs::copy(program, &inside).map_err(|error| said(program, &error))?;
    allow_to_run(&inside)
}

/// Signs it for the hardened runtime, in which camera and microphone have to be asked for.
fn sign(app: &Path) -> Result<(), String> {
    let identity = std::env::var(IDENTITY).unwrap_or_else(|_| "-".to_owned());
    let mut sign = Command::new("codesign");
    sign.args(["--force", "--options", "runtime", "--sign", &identity]);
    if identity != "-" {
        sign.arg("--timestamp");
    }
    sign.arg("--entitlements")
        .arg(workspace().join(ENTITLEMENTS));
    run(sign.arg(app))
}

fn check(app: &Path) -> Result<(), String> {
    run(Command::new("plutil")
        .arg("-lint")
        .arg(app.join("Contents/Info.plist")))?;
    run(Command::new("codesign")
        .args(["--verify", "--strict", "--verbose=2"])
        .arg(app))?;
    let said = output(Command::new(app.join("Contents/MacOS/passerby")).arg("--version"))?;
    if !said.contains(VERSION) {
        return Err(format!("the program of the app says {said:?}"));
    }
    println!("the program of the app says {}", said.trim());
    Ok(())
}

/// A disk image with the app, and beside it the place to drop it at.
fn pack(app: &Path, image: &Path, folder: &Path) -> Result<(), String> {
    let inside = folder.join("dmg-root");
    clear(&inside)?;
    fs::create_dir_all(&inside).map_err(|error| said(&inside, &error))?;
    run(Command::new("ditto")
        .arg(app)
        .arg(inside.join("Passerby.app")))?;
    run(Command::new("ln")
        .args(["-s", "/Applications"])
        .arg(inside.join("Applications")))?;
    run(Command::new("hdiutil")
        .args(["create", "-volname", "Passerby", "-ov", "-format", "UDZO"])
        .arg("-srcfolder")
        .arg(&inside)
        .arg(image))?;
    clear(&inside)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[derive(Debug, PartialEq)]
    enum Value {
        Text(String),
        Yes,
        List(Vec<Self>),
        Map(BTreeMap<String, Self>),
    }

    impl Value {
        fn at(&self, key: &str) -> &Self {
            let Self::Map(map) = self else {
                panic!("{self:?} has no {key}");
            };
            map.get(key).unwrap_or_else(|| panic!("there is no {key}"))
        }

        fn text(&self) -> &str {
            let Self::Text(text) = self else {
                panic!("{self:?} is no text");
            };
            text
        }
    }

    /// Reads a property list: as much of its XML as ours have. Anything else is an error.
    fn plist(text: &str) -> Value {
        let mut rest = text;
        assert_eq!(next(&mut rest), "?xml version=\"1.0\" encoding=\"UTF-8\"?");
        assert!(next(&mut rest).starts_with("!DOCTYPE plist "));
        assert_eq!(next(&mut rest), "plist version=\"1.0\"");
        let tag = next(&mut rest);
        let value = value(tag, &mut rest);
        assert_eq!(next(&mut rest), "/plist");
        assert_eq!(rest.trim(), "");
        value
    }

    /// The next tag, with nothing but space before it.
    fn next<'text>(rest: &mut &'text str) -> &'text str {
        let (tag, after) = rest.trim_start().split_once('>').expect("a tag ends");
        *rest = after;
        tag.strip_prefix('<').expect("a tag begins")
    }

    fn value(tag: &str, rest: &mut &str) -> Value {
        match tag {
            "true/" => Value::Yes,
            "string" => Value::Text(words(rest, "</string>")),
            "array" => {
                let mut list = Vec::new();
                loop {
                    match next(rest) {
                        "/array" => return Value::List(list),
                        tag => list.push(value(tag, rest)),
                    }
                }
            }
            "dict" => {
                let mut map = BTreeMap::new();
                loop {
                    match next(rest) {
                        "/dict" => return Value::Map(map),
                        "key" => {
                            let key = words(rest, "</key>");
                            let tag = next(rest);
                            let known = map.insert(key, value(tag, rest));
                            assert!(known.is_none(), "a key stands twice");
                        }
                        other => panic!("<{other}> in a dict"),
                    }
                }
            }
            other => panic!("<{other}> is not known here"),
        }
    }

    fn words(rest: &mut &str, end: &str) -> String {
        let (words, after) = rest.split_once(end).expect("text ends");
        assert!(!words.contains(['<', '&']), "{words}");
        *rest = after;
        words.to_owned()
    }

    #[test]
    fn the_folder_has_what_a_mac_looks_for() {
        let folder = std::env::temp_dir().join(format!("passerby-app-{}", std::process::id()));
        let app = folder.join("Passerby.app");
        let program = std::env::current_exe().unwrap();
        // What was there before is gone.
        put(&app.join("Contents/old"), b"old").unwrap();
        assemble(&program, &app).unwrap();
        let contents = app.join("Contents");
        assert!(!contents.join("old").exists());

        let info = plist(&read(&contents.join("Info.plist")).unwrap());
        let inside = contents
            .join("MacOS")
            .join(info.at("CFBundleExecutable").text());
        let size = |path: &Path| fs::metadata(path).unwrap().len();
        assert_eq!(size(&inside), size(&program));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(
                fs::metadata(&inside).unwrap().permissions().mode() & 0o111,
                0o111
            );
        }
        let icon = contents
            .join("Resources")
            .join(info.at("CFBundleIconFile").text());
        assert!(icon.is_file());
        for key in ["CFBundleVersion", "CFBundleShortVersionString"] {
            assert_eq!(info.at(key).text(), VERSION);
        }
        for device in ["Camera", "Microphone", "ScreenCapture", "LocalNetwork"] {
            assert!(
                !info
                    .at(&format!("NS{device}UsageDescription"))
                    .text()
                    .is_empty()
            );
        }
        let Value::List(types) = info.at("CFBundleURLTypes") else {
            panic!("no list");
        };
        let scheme = Value::List(vec![Value::Text("passerby".to_owned())]);
        assert_eq!(types[0].at("CFBundleURLSchemes"), &scheme);
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn the_hardened_runtime_is_asked_for_camera_and_microphone_and_nothing_else() {
        let wanted = [
            "com.apple.security.device.audio-input",
            "com.apple.security.device.camera",
        ];
        let wanted = wanted.map(|key| (key.to_owned(), Value::Yes)).into();
        let asked = plist(&read(&workspace().join(ENTITLEMENTS)).unwrap());
        assert_eq!(asked, Value::Map(wanted));
    }
}
