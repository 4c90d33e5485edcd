//! Many channels to one.

/// Appends the mean of each group of `channels` interleaved samples to `mono`. An incomplete group at the end is left out.
///
/// The mean, not the sum: what is the same in all channels keeps its level, and nothing clips.
pub fn downmix(interleaved: &[f32], channels: usize, mono: &mut Vec<f32>) {
    match channels {
        0 => {}
        1 => mono.extend_from_slice(interleaved),
        _ => mono.extend(
            interleaved
                .chunks_exact(channels)
                .map(|group| group.iter().sum::<f32>() / channels as f32),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_are_averaged() {
        let mut mono = vec![9.0];
        downmix(&[1.0, 0.0, -0.5, -0.5, 0.25], 2, &mut mono);
        assert_eq!(mono, [9.0, 0.5, -0.5]);
    }

    #[test]
    fn mono_stays_as_it_is() {
        let mut mono = Vec::new();
        downmix(&[0.1, 0.2], 1, &mut mono);
        downmix(&[0.3], 0, &mut mono);
        assert_eq!(mono, [0.1, 0.2]);
    }
}
