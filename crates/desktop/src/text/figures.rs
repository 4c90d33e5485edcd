//! Times, rates and numbers as people write them.

use std::time::Duration;

use super::Language;

/// A length of time as on a clock: `0:07`, `12:30`, `1:02:03`.
pub fn clock(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 {
        format!("{hours}:{minutes:02}:{seconds:02}")
    } else {
        format!("{minutes}:{seconds:02}")
    }
}

/// A bitrate in words: `850 kbit/s`, `1.8 Mbit/s`.
pub fn bitrate(bps: u64) -> String {
    match bps {
        0..1_000_000 => tr!("{kbit} kbit/s", kbit = bps / 1000),
        _ => format!("{} Mbit/s", tenths(bps as f64 / 1e6)),
    }
}

/// A delay in words: `48 ms`, `1.2 s`, `under 1 ms`.
pub fn delay(delay: Duration) -> String {
    if delay < Duration::from_millis(1) {
        tr!("under 1 ms").to_owned()
    } else if delay < Duration::from_secs(1) {
        format!("{} ms", delay.as_millis())
    } else {
        format!("{} s", tenths(delay.as_secs_f64()))
    }
}

/// A number with one place after the decimal mark of the language: `1.8`, or `1,8`.
pub fn tenths(number: f64) -> String {
    format!("{number:.1}").replace('.', Language::spoken().decimal_mark())
}

/// A number with a thin space before every three digits.
pub(super) fn grouped(number: u32) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len() + 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push('\u{2009}');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_rates_read_as_people_write_them() {
        assert_eq!(clock(Duration::from_secs(7)), "0:07");
        assert_eq!(clock(Duration::from_secs(161)), "2:41");
        assert_eq!(clock(Duration::from_secs(3723)), "1:02:03");
        assert_eq!(bitrate(850_400), "850 kbit/s");
        assert_eq!(bitrate(1_755_000), "1.8 Mbit/s");
        assert_eq!(delay(Duration::from_millis(43)), "43 ms");
        assert_eq!(delay(Duration::from_millis(1240)), "1.2 s");
        assert_eq!(delay(Duration::from_micros(300)), "under 1 ms");
        assert_eq!(grouped(12_345), "12\u{2009}345");
        assert_eq!(grouped(999), "999");
    }
}
