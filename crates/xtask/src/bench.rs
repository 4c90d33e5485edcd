//! Measures calls, the relay, the signalling server, several servers over Redis, the window, what it costs to show pictures, or calls beside a
//! browser's: the benches themselves are `call-bench` of `crates/headless`, `relay-bench` and the example `server-bench` of `crates/server`, the
//! example `cluster_bench` of `crates/cluster`, `lab quality` and `lab window-bench` of `crates/lab`, and `show-bench` of `crates/desktop`,
//! built for speed.

use std::process::Command;

use crate::packages;
use crate::process::{binary, cargo, run};

pub(crate) fn run_bench(args: &[String]) -> Result<(), String> {
    let Bench {
        program,
        sections,
        crates,
        examples,
        args,
    } = bench(args);
    packages::ensure(sections)?;
    println!("Building for speed ...");
    let crates = crates.iter().flat_map(|name| ["--package", name]);
    let mut build = cargo();
    build.args(["build", "--release", "--bins"]).args(crates);
    build.args(examples.iter().flat_map(|name| ["--example", name]));
    run(&mut build)?;
    run(Command::new(binary("release", program)).args(args))
}

/// What is to be built and run.
#[derive(Debug, PartialEq, Eq)]
struct Bench {
    program: &'static str,
    /// Of the list of system packages.
    sections: &'static [&'static str],
    crates: &'static [&'static str],
    examples: &'static [&'static str],
    args: Vec<String>,
}

fn bench(args: &[String]) -> Bench {
    match args {
        // coturn, beside which the relay is measured, is among the packages for tests.
        [first, rest @ ..] if first == "relay" => Bench {
            program: "relay-bench",
            sections: &["build", "test"],
            crates: &["server", "headless"],
            examples: &[],
            args: rest.to_vec(),
        },
        [first, rest @ ..] if first == "--server" => Bench {
            program: "examples/server-bench",
            sections: &["build"],
            crates: &["server", "matchmaker"],
            examples: &["server-bench", "join_cost"],
            args: rest.to_vec(),
        },
        [first, rest @ ..] if first == "--cluster" => Bench {
            program: "examples/cluster_bench",
            sections: &["build", "test"],
            crates: &["cluster"],
            examples: &["cluster_bench"],
            args: rest.to_vec(),
        },
        // So is the browser.
        [first, rest @ ..] if first == "--quality" => Bench {
            program: "lab",
            sections: &["build", "test"],
            crates: &["server", "headless", "lab"],
            examples: &[],
            args: [&["quality".to_owned()], rest].concat(),
        },
        // On a display of the lab.
        [first, rest @ ..] if first == "show" => Bench {
            program: "lab",
            sections: &["build", "run", "test"],
            crates: &["desktop", "lab"],
            examples: &[],
            args: [
                &["display".to_owned(), "--".to_owned()][..],
                &[binary("release", "show-bench").display().to_string()],
                rest,
            ]
            .concat(),
        },
        [first, rest @ ..] if first == "--window" => Bench {
            program: "lab",
            sections: &["build", "run", "test"],
            crates: &["server", "headless", "lab", "desktop"],
            examples: &[],
            args: [&["window-bench".to_owned()], rest].concat(),
        },
        all => Bench {
            program: "call-bench",
            sections: &["build"],
            crates: &["server", "headless"],
            examples: &[],
            args: all.to_vec(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_named_is_measured_and_calls_otherwise() {
        let of = |text: &str| {
            let words: Vec<String> = text.split(' ').map(str::to_owned).collect();
            let bench = bench(&words);
            format!("{} {}", bench.program, bench.args.join(" "))
        };
        assert_eq!(of("relay --streams 20"), "relay-bench --streams 20");
        let server = "examples/server-bench --only memory";
        assert_eq!(of("--server --only memory"), server);
        let cluster = "examples/cluster_bench --nodes 2";
        assert_eq!(of("--cluster --nodes 2"), cluster);
        assert_eq!(of("--quality --cells full"), "lab quality --cells full");
        let shown = of("show --rounds 2");
        assert!(
            shown.starts_with("lab display -- ") && shown.ends_with("show-bench --rounds 2"),
            "{shown}"
        );
        assert_eq!(of("--window --starts 9"), "lab window-bench --starts 9");
        assert_eq!(of("--seconds 5"), "call-bench --seconds 5");
        assert_eq!(of("frames --rounds 3"), "call-bench frames --rounds 3");
    }
}
