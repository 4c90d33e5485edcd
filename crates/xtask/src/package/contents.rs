//! What is in each package, as tables.

use std::path::{Path, PathBuf};

/// A Debian package.
pub(super) struct Package {
    pub(super) name: &'static str,
    pub(super) section: &'static str,
    pub(super) summary: &'static str,
    /// Paragraphs of the description, each on a line of its own.
    pub(super) description: &'static [&'static str],
    /// What is needed beside the libraries that the binary is linked with.
    pub(super) depends: &'static [&'static str],
    /// What makes it better and can be done without, as the field says it; empty for nothing.
    pub(super) recommends: &'static str,
    /// Whether it also needs what the program opens while it runs: the section `run` of the list of system packages.
    pub(super) opens_libraries: bool,
    /// The binary, which comes to `/usr/bin`.
    pub(super) binary: &'static str,
    pub(super) files: &'static [File],
    /// What the operator may change, and keeps at an update.
    pub(super) conffiles: &'static [&'static str],
    /// Scripts of the package system, in the folder of the server's packaging.
    pub(super) scripts: &'static [&'static str],
}

/// One file of a package.
pub(super) struct File {
    pub(super) from: From,
    /// Where it goes, without the first slash.
    pub(super) to: &'static str,
}

/// Where a file comes from. Paths are those in the repository.
pub(super) enum From {
    /// As it is.
    Copied(&'static str),
    /// Text in which some words are replaced, such as `@VERSION@`.
    Filled(&'static str),
    /// Compressed.
    Zipped(&'static str),
    /// The icon, drawn as large as this, in pixels.
    Icon(u16),
    /// What may be done with the program.
    Copyright(&'static [Part]),
}

/// Something in a package that has a licence of its own.
pub(super) struct Part {
    pub(super) files: &'static str,
    pub(super) holder: &'static str,
    pub(super) licence: &'static str,
    /// The file with its text.
    pub(super) text: &'static str,
}

/// The picture from which all sizes are drawn.
pub(super) const ICON: &str = "assets/icon/passerby.svg";

const OURS: Part = Part {
    files: "*",
    holder: "2026 The Passerby contributors",
    licence: "Expat or Apache-2.0",
    text: "LICENSE-MIT",
};

const FONT: Part = Part {
    files: "fonts inside /usr/bin/passerby",
    holder: "2016 The Inter Project Authors (https://github.com/rsms/inter)",
    licence: "OFL-1.1",
    text: "assets/fonts/OFL.txt",
};

macro_rules! icons {
    ($($size:literal)*) => {
        [$(File { from: From::Icon($size), to: concat!("usr/share/icons/hicolor/", $size, "x", $size, "/apps/passerby.png") },)*]
    };
}

const ICONS: [File; 9] = icons!(16 22 24 32 48 64 128 256 512);

const DESKTOP_FILES: [File; 5] = [
    File {
        from: From::Copied("assets/desktop/passerby.desktop"),
        to: "usr/share/applications/passerby.desktop",
    },
    File {
        from: From::Filled("assets/desktop/passerby.metainfo.xml"),
        to: "usr/share/metainfo/passerby.metainfo.xml",
    },
    File {
        from: From::Copied(ICON),
        to: "usr/share/icons/hicolor/scalable/apps/passerby.svg",
    },
    File {
        from: From::Zipped("CHANGELOG.md"),
        to: "usr/share/doc/passerby/CHANGELOG.md.gz",
    },
    File {
        from: From::Copyright(&[OURS, FONT]),
        to: "usr/share/doc/passerby/copyright",
    },
];

const SERVER_FILES: [File; 7] = [
    File {
        from: From::Copied("crates/server/packaging/server.toml"),
        to: "etc/passerby/server.toml",
    },
    File {
        from: From::Filled("crates/server/packaging/passerby-server.service"),
        to: "lib/systemd/system/passerby-server.service",
    },
    File {
        from: From::Copied("crates/server/packaging/sysusers.conf"),
        to: "usr/lib/sysusers.d/passerby-server.conf",
    },
    File {
        from: From::Copied("crates/server/packaging/grafana.json"),
        to: "usr/share/doc/passerby-server/grafana.json",
    },
    File {
        from: From::Copied("docs/operating.md"),
        to: "usr/share/doc/passerby-server/operating.md",
    },
    File {
        from: From::Zipped("CHANGELOG.md"),
        to: "usr/share/doc/passerby-server/CHANGELOG.md.gz",
    },
    File {
        from: From::Copyright(&[OURS]),
        to: "usr/share/doc/passerby-server/copyright",
    },
];

/// All packages.
pub(super) const PACKAGES: [Package; 2] = [
    Package {
        name: "passerby",
        section: "net",
        summary: "meet a stranger face to face",
        description: &[
            "Press Start, and within a second you see and hear someone, peer to peer",
            "and encrypted. Press Next, and you meet someone else.",
        ],
        depends: &[],
        // Letters of the languages that the window speaks, and of what strangers write; and what shares a screen of a Wayland session.
        recommends: "fonts-noto-core, fonts-noto-cjk, pipewire, xdg-desktop-portal",
        opens_libraries: true,
        binary: "passerby",
        files: &DESKTOP_FILES,
        conffiles: &[],
        scripts: &[],
    },
    Package {
        name: "passerby-server",
        section: "net",
        summary: "introduces strangers to each other, and relays for them",
        description: &[
            "The signalling server of Passerby with its STUN and TURN relay. It listens",
            "at port 8080 once it is installed; /etc/passerby/server.toml has the settings.",
        ],
        depends: &[
            "init-system-helpers (>= 1.52)",
            "systemd | systemd-sysusers",
        ],
        // Whom to trust when a certificate is asked for (acme-domain).
        recommends: "ca-certificates",
        opens_libraries: false,
        binary: "passerby-server",
        files: &SERVER_FILES,
        conffiles: &["/etc/passerby/server.toml"],
        scripts: &["postinst", "prerm", "postrm"],
    },
];

impl Package {
    /// All files but the binary.
    pub(super) fn files(&self) -> impl Iterator<Item = &File> {
        let icons: &[File] = if self.name == "passerby" { &ICONS } else { &[] };
        self.files.iter().chain(icons)
    }
}

impl Part {
    /// Its paragraph of the file on copyright (DEP-5).
    pub(super) fn paragraph(&self, root: &Path) -> Result<String, String> {
        let text = read(&root.join(self.text))?;
        let mut paragraph = format!(
            "Files: {}\nCopyright: {}\nLicense: {}\n",
            self.files, self.holder, self.licence
        );
        for line in text.lines() {
            paragraph.push_str(if line.trim().is_empty() { " ." } else { " " });
            paragraph.push_str(line.trim_end());
            paragraph.push('\n');
        }
        if self.licence.contains("Apache-2.0") {
            paragraph.push_str(
                " .\n Or, as you prefer, the Apache License, version 2.0; on Debian systems its text is in\n \
                 /usr/share/common-licenses/Apache-2.0.\n",
            );
        }
        Ok(paragraph)
    }
}

/// Reads a text.
pub(super) fn read(path: &PathBuf) -> Result<String, String> {
    std::fs::read_to_string(path)
        .map_err(|error| format!("cannot read {}: {error}", path.display()))
}
