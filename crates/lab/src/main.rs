//! `lab`: a virtual camera, sound or display around a command, and experiments on a virtual network. See the library for what they are.

#[cfg(target_os = "linux")]
mod program {
    use std::ffi::OsString;
    use std::path::PathBuf;
    use std::process::ExitCode;

    use clap::{Parser, Subcommand};
    use lab::camera::{CameraOptions, PixelFormat, Size};
    use lab::network::experiments::Experiment;
    use lab::{CANNOT_RUN_HERE, Unavailable, catch_signals};

    /// Virtual cameras, sound, displays and networks for tests. Exits with the command's code, or with 77 and one line that says
    /// why if this machine cannot do it.
    #[derive(Debug, Parser)]
    struct Arguments {
        #[command(subcommand)]
        part: Part,
    }

    #[derive(Debug, Subcommand)]
    enum Part {
        /// A webcam that shows a clip. Needs root and FUSE passthrough (Linux 6.9).
        Camera {
            /// What the camera sees, over and over: a y4m file, 4:2:0.
            #[arg(long)]
            clip: PathBuf,
            /// The device node; must not exist yet.
            #[arg(long, default_value = "/dev/video0")]
            device: PathBuf,
            /// Pixel formats to offer, the first one preset.
            #[arg(long, value_delimiter = ',', default_value = "YUYV,MJPG,NV12")]
            formats: Vec<PixelFormat>,
            /// Sizes to offer besides the clip's own.
            #[arg(long, value_delimiter = ',')]
            sizes: Vec<Size>,
            /// Frame rates to offer, the first one preset.
            #[arg(long, value_delimiter = ',', default_value = "30,15")]
            fps: Vec<u32>,
            /// A named pipe to make; takes a command in each line: stall, resume, unplug, plug, busy on, busy off,
            /// truncate N.
            #[arg(long)]
            control: Option<PathBuf>,
            /// The command to run.
            #[arg(last = true, required = true)]
            command: Vec<OsString>,
        },
        /// A private sound server with a speaker and a microphone for each user.
        Sound {
            /// Names of the users. Sound played to the sink `NAME_micin` is what the user NAME records.
            #[arg(long, value_delimiter = ',', default_value = "a")]
            users: Vec<String>,
            /// The command to run; it is the first user unless it uses `lab as`.
            #[arg(last = true, required = true)]
            command: Vec<OsString>,
        },
        /// Inside `lab sound`: runs a command as one of the users.
        As {
            /// The user's name.
            user: String,
            /// The command to run.
            #[arg(last = true, required = true)]
            command: Vec<OsString>,
        },
        /// Goes through the windows of two people who meet, and leaves numbered pictures of all that is seen.
        Tour(lab::tour::TourOptions),
        /// What the window costs: until it is there, idle, in a call, and hidden.
        WindowBench(lab::window_bench::WindowBenchOptions),
        /// Says which parts of the lab this machine can run, and what it lacks for the others; exits with 77 if there are some.
        Check,
        /// A private X display with a window manager, if there is one.
        Display {
            /// Width and height in pixels.
            #[arg(long, default_value = "1280x800")]
            size: Size,
            /// The command to run.
            #[arg(last = true, required = true)]
            command: Vec<OsString>,
        },
        /// A private Wayland session with a portal that asks nobody what to share.
        Wayland {
            /// Width and height in pixels.
            #[arg(long, default_value = "1280x800")]
            size: Size,
            /// Leaves the portal out.
            #[arg(long)]
            no_portal: bool,
            /// The command to run.
            #[arg(last = true, required = true)]
            command: Vec<OsString>,
        },
        /// What is left of an echo: Passerby beside a browser, each with a microphone that hears its own speaker.
        Echo(lab::echo::EchoOptions),
        /// The same inside `lab sound`.
        #[command(hide = true)]
        EchoInside(lab::echo::EchoOptions),
        #[command(flatten)]
        Experiment(Experiment),
        /// A part of the experiment with relayed calls, in a process of its own.
        #[command(hide = true)]
        Voice(lab::network::voice::VoiceOptions),
    }

    pub(crate) fn run() -> ExitCode {
        let result = catch_signals().map_err(anyhow::Error::from).and_then(|()| {
            match Arguments::parse().part {
                Part::Camera {
                    clip,
                    device,
                    formats,
                    sizes,
                    fps,
                    control,
                    command,
                } => {
                    let options = CameraOptions {
                        clip,
                        device,
                        formats,
                        sizes,
                        rates_hz: fps,
                        control,
                    };
                    lab::camera::run(&options, &command)
                }
                Part::Sound { users, command } => lab::sound::run(&users, &command),
                Part::As { user, command } => lab::sound::run_as(&user, &command),
                Part::Echo(options) => lab::echo::run(options),
                Part::EchoInside(options) => lab::echo::run_inside(options),
                Part::Tour(options) => lab::tour::run(&options),
                Part::WindowBench(options) => lab::window_bench::run(&options),
                Part::Voice(options) => lab::network::voice::run(&options),
                Part::Experiment(experiment) => lab::network::experiments::run(&experiment),
                Part::Check => Ok(if lab::check::report() {
                    0
                } else {
                    CANNOT_RUN_HERE
                }),
                Part::Display { size, command } => lab::display::run(size, &command),
                Part::Wayland {
                    size,
                    no_portal,
                    command,
                } => lab::wayland::run(size, !no_portal, &command),
            }
        });
        match result {
            Ok(code) => ExitCode::from(code),
            Err(error) => {
                eprintln!("lab: {error:#}");
                let is_unavailable = error.downcast_ref::<Unavailable>().is_some();
                ExitCode::from(if is_unavailable { CANNOT_RUN_HERE } else { 2 })
            }
        }
    }
}

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    program::run()
}

#[cfg(not(target_os = "linux"))]
fn main() -> std::process::ExitCode {
    eprintln!("lab: cannot run here: it needs Linux");
    std::process::ExitCode::from(77)
}
