//! Made-up voices, a made-up room: what of the echo is left, and what of the voice.

use media::audio::{FRAME_SAMPLES, SAMPLE_RATE_HZ};
use simulation::Random;
use voice::{EchoFinder, VoiceConfig, VoiceProcessor};

const RATE: f32 = SAMPLE_RATE_HZ as f32;
const ECHO_ONLY: VoiceConfig = VoiceConfig {
    echo_cancellation: true,
    ..VoiceConfig::OFF
};

/// Something with the rhythm and the spectrum of speech: syllables of a gliding buzz through two moving formants, and
/// pauses.
struct Speaker {
    random: Random,
    phase: f32,
    pitch_hz: f32,
    formants: [Resonator; 2],
    loudness: f32,
    goal: f32,
    left: usize,
}

#[derive(Default)]
struct Resonator {
    past: [f32; 2],
    feedback: [f32; 2],
}

impl Resonator {
    fn tune(&mut self, hz: f32) {
        let radius = 0.985_f32;
        self.feedback = [
            2.0 * radius * (std::f32::consts::TAU * hz / RATE).cos(),
            -radius * radius,
        ];
    }

    fn next(&mut self, input: f32) -> f32 {
        let output = input + self.feedback[0] * self.past[0] + self.feedback[1] * self.past[1];
        self.past = [output, self.past[0]];
        output
    }
}

impl Speaker {
    fn new(seed: u64, pitch_hz: f32) -> Self {
        Self {
            random: Random::new(seed),
            phase: 0.0,
            pitch_hz,
            formants: Default::default(),
            loudness: 0.0,
            goal: 0.0,
            left: 0,
        }
    }

    fn next(&mut self) -> f32 {
        if self.left == 0 {
            let mut unit = || self.random.unit() as f32;
            self.left = (RATE * (0.06 + 0.2 * unit())) as usize;
            self.goal = if unit() < 0.3 {
                0.0
            } else {
                0.2 + 0.8 * unit()
            };
            self.formants[0].tune(300.0 + 500.0 * unit());
            self.formants[1].tune(900.0 + 1500.0 * unit());
        }
        self.left -= 1;
        self.loudness += (self.goal - self.loudness) / (0.015 * RATE);
        self.phase = (self.phase + self.pitch_hz * (1.0 + 0.1 * self.loudness) / RATE).fract();
        let breath = self.random.unit() as f32 - 0.5;
        let source = (0.5 - self.phase) + 0.2 * breath;
        let voiced: f32 = self.formants.iter_mut().map(|f| f.next(source)).sum();
        0.003 * self.loudness * voiced
    }

    fn say(&mut self, seconds: f32) -> Vec<f32> {
        (0..(seconds * RATE) as usize)
            .map(|_| self.next())
            .collect()
    }
}

/// What a microphone in a room hears of a loudspeaker: the direct sound after `delay_ms` and sparse reflections that fade
/// out over 150 ms.
fn echo(played: &[f32], delay_ms: f32, gain: f32, seed: u64) -> Vec<f32> {
    let mut random = Random::new(seed);
    let direct = (delay_ms / 1000.0 * RATE) as usize;
    let mut taps = vec![(direct, gain)];
    for _ in 0..40 {
        let after = (random.unit() as f32) * 0.15;
        let sign = if random.unit() < 0.5 { -1.0 } else { 1.0 };
        let fading = (-after * 30.0).exp() * 0.4;
        taps.push((direct + (after * RATE) as usize, sign * gain * fading));
    }
    let mut heard = vec![0.0; played.len()];
    for (delay, gain) in taps {
        for (heard, played) in heard[delay.min(played.len())..].iter_mut().zip(played) {
            *heard += gain * played;
        }
    }
    heard
}

fn noise(len: usize, amplitude: f32) -> Vec<f32> {
    let mut random = Random::new(99);
    let mut next = || (random.unit() as f32 - 0.5) * 2.0 * amplitude;
    (0..len).map(|_| next()).collect()
}

fn sum(a: &[f32], b: &[f32]) -> Vec<f32> {
    a.iter().zip(b).map(|(a, b)| a + b).collect()
}

fn run(processor: &mut VoiceProcessor, captured: &[f32], played: &[f32]) -> Vec<f32> {
    let mut output = Vec::new();
    let frames = captured.as_chunks::<FRAME_SAMPLES>().0;
    for (captured, played) in frames.iter().zip(played.as_chunks::<FRAME_SAMPLES>().0) {
        let mut frame = *captured;
        processor.on_played(played);
        processor.process(&mut frame);
        output.extend_from_slice(&frame);
    }
    output
}

fn power_db(samples: &[f32]) -> f32 {
    10.0 * (samples.iter().map(|s| s * s).sum::<f32>() / samples.len() as f32 + 1e-12).log10()
}

fn seconds(samples: &[f32], range: std::ops::Range<f32>) -> &[f32] {
    &samples[(range.start * RATE) as usize..((range.end * RATE) as usize).min(samples.len())]
}

/// How much quieter the echo became, in decibels.
fn erle_db(captured: &[f32], output: &[f32], range: std::ops::Range<f32>) -> f32 {
    power_db(seconds(captured, range.clone())) - power_db(seconds(output, range))
}

#[test]
fn an_echo_is_gone_after_a_few_seconds() {
    let far = Speaker::new(1, 120.0).say(10.0);
    let captured = sum(&echo(&far, 60.0, 0.5, 3), &noise(far.len(), 0.0005));
    let output = run(&mut VoiceProcessor::new(ECHO_ONLY), &captured, &far);
    let (early, late) = (
        erle_db(&captured, &output, 1.0..3.0),
        erle_db(&captured, &output, 5.0..10.0),
    );
    println!("echo: {early:.1} dB quieter in the first seconds, {late:.1} dB at the end");
    assert!(early > 10.0, "{early} dB in the first seconds");
    assert!(late > 25.0, "{late} dB at the end");
}

#[test]
fn the_near_voice_goes_through_while_both_speak() {
    let far = Speaker::new(1, 120.0).say(16.0);
    let echo = echo(&far, 60.0, 0.5, 3);
    let mut near = Speaker::new(2, 200.0).say(16.0);
    // First the canceller learns.
    near[..(6.0 * RATE) as usize].fill(0.0);
    let captured = sum(&sum(&echo, &near), &noise(far.len(), 0.0005));
    let output = run(&mut VoiceProcessor::new(ECHO_ONLY), &captured, &far);
    let lost = power_db(seconds(&near, 8.0..16.0)) - power_db(seconds(&output, 8.0..16.0));
    println!("double talk: {lost:.1} dB of the near voice are gone");
    assert!(lost < 3.0, "{lost} dB of the voice are gone");
}

#[test]
fn a_voice_alone_is_left_as_it_is() {
    let near = Speaker::new(2, 200.0).say(10.0);
    let silence = vec![0.0; near.len()];
    let output = run(&mut VoiceProcessor::new(ECHO_ONLY), &near, &silence);
    let change = erle_db(&near, &output, 2.0..10.0);
    assert!(change.abs() < 1.5, "{change} dB");
}

#[test]
fn nothing_is_touched_when_all_is_off() {
    let far = Speaker::new(1, 120.0).say(2.0);
    let captured = sum(&echo(&far, 60.0, 0.5, 3), &noise(far.len(), 0.01));
    let mut processor = VoiceProcessor::new(VoiceConfig::OFF);
    assert!(!processor.is_cancelling());
    let output = run(&mut processor, &captured, &far);
    assert!(output == captured[..output.len()]);
}

#[test]
fn steady_noise_is_lowered_and_a_quiet_voice_is_raised() {
    let hiss = noise((8.0 * RATE) as usize, 0.02);
    let silence = vec![0.0; hiss.len()];
    let mut suppressor = VoiceProcessor::new(VoiceConfig {
        noise_suppression: true,
        ..VoiceConfig::OFF
    });
    let output = run(&mut suppressor, &hiss, &silence);
    let lowered = erle_db(&hiss, &output, 4.0..8.0);
    println!("noise: {lowered:.1} dB lower");
    assert!(lowered > 6.0, "{lowered} dB");

    let quiet: Vec<f32> = Speaker::new(2, 200.0).say(12.0);
    let quiet: Vec<f32> = quiet.iter().map(|sample| sample * 0.05).collect();
    let silence = vec![0.0; quiet.len()];
    let mut control = VoiceProcessor::new(VoiceConfig {
        gain_control: true,
        ..VoiceConfig::OFF
    });
    let output = run(&mut control, &quiet, &silence);
    let raised = -erle_db(&quiet, &output, 8.0..12.0);
    assert!(raised > 2.0, "{raised} dB");
    assert!(output.iter().all(|sample| sample.abs() <= 1.0));
}

#[test]
fn another_device_with_another_delay_is_learned_anew() {
    let far = Speaker::new(1, 120.0).say(20.0);
    let half = far.len() / 2;
    let mut heard = echo(&far, 40.0, 0.5, 3);
    heard[half..].copy_from_slice(&echo(&far, 150.0, 0.4, 4)[half..]);
    let captured = sum(&heard, &noise(far.len(), 0.0005));
    let mut processor = VoiceProcessor::new(ECHO_ONLY);
    let mut output = run(&mut processor, &captured[..half], &far[..half]);
    processor.on_device_changed();
    output.extend(run(&mut processor, &captured[half..], &far[half..]));
    let erle = erle_db(&captured, &output, 15.0..20.0);
    assert!(erle > 20.0, "{erle} dB");
}

#[test]
fn a_gap_in_what_is_captured_is_survived() {
    let far = Speaker::new(1, 120.0).say(20.0);
    let captured = sum(&echo(&far, 60.0, 0.5, 3), &noise(far.len(), 0.0005));
    let mut processor = VoiceProcessor::new(ECHO_ONLY);
    let (before, after) = ((8.0 * RATE) as usize, (11.0 * RATE) as usize);
    run(&mut processor, &captured[..before], &far[..before]);
    // What was played last comes all at once, as from a ring that nobody emptied.
    for played in far[after - 20 * FRAME_SAMPLES..after].as_chunks().0 {
        processor.on_played(played);
    }
    let output = run(&mut processor, &captured[after..], &far[after..]);
    let erle = erle_db(&captured[after..], &output, 4.0..9.0);
    assert!(erle > 20.0, "{erle} dB");
}

#[test]
fn with_headphones_the_canceller_rests_until_there_is_an_echo() {
    let far = Speaker::new(1, 120.0).say(60.0);
    let near = sum(&Speaker::new(2, 200.0).say(60.0), &noise(far.len(), 0.0005));
    let mut processor = VoiceProcessor::new(ECHO_ONLY);
    assert!(processor.is_cancelling(), "an echo is taken for granted");
    let (rests_at, unplugged_at) = ((40.0 * RATE) as usize, (50.0 * RATE) as usize);
    run(&mut processor, &near[..rests_at], &far[..rests_at]);
    assert!(!processor.is_cancelling());
    // Resting costs nothing, and leaves the sound alone.
    let output = run(
        &mut processor,
        &near[rests_at..unplugged_at],
        &far[rests_at..unplugged_at],
    );
    assert!(output == near[rests_at..rests_at + output.len()]);
    let mut captured = echo(&far, 60.0, 0.5, 3);
    captured = sum(&captured, &noise(far.len(), 0.0005));
    run(
        &mut processor,
        &captured[unplugged_at..][..(4.0 * RATE) as usize],
        &far[unplugged_at..],
    );
    assert!(processor.is_cancelling(), "found within four seconds");
    processor.on_device_changed();
    assert!(processor.is_cancelling());
}

#[test]
fn voices_are_not_taken_for_an_echo_and_echoes_not_for_voices() {
    for seed in 0..6 {
        let far = Speaker::new(10 + seed, 110.0 + 10.0 * seed as f32).say(40.0);
        let near = Speaker::new(20 + seed, 220.0).say(40.0);
        let has_echo = |captured: &[f32]| {
            let mut finder = EchoFinder::new();
            for (played, captured) in far.chunks_exact(480).zip(captured.chunks_exact(480)) {
                finder.on_played(played);
                finder.on_captured(captured);
            }
            finder.has_echo()
        };
        assert!(!has_echo(&near), "seed {seed}: only a voice");
        let quiet_echo = echo(&far, 120.0, 0.05, seed);
        let hum = noise(far.len(), 0.0003);
        assert!(has_echo(&sum(&quiet_echo, &hum)), "seed {seed}: an echo");
    }
}

#[test]
fn nonsense_in_leaves_no_nonsense_for_ever() {
    let mut processor = VoiceProcessor::new(VoiceConfig::default());
    let bad = [f32::NAN; FRAME_SAMPLES];
    let mut frame = bad;
    processor.on_played(&bad);
    processor.process(&mut frame);
    let voice = Speaker::new(2, 200.0).say(2.0);
    let silence = vec![0.0; voice.len()];
    let output = run(&mut processor, &voice, &silence);
    assert!(output.iter().all(|sample| sample.is_finite()));
    assert!(power_db(seconds(&output, 1.0..2.0)) > -60.0);
}
