//! One place where cpal's sample formats become Rust types.

/// Calls a function that is generic over the sample type with the type that a [`cpal::SampleFormat`] names.
///
/// `with_sample_type!(format, T => call::<T>(…), else fallback)`
macro_rules! with_sample_type {
    ($format:expr, $sample:ident => $call:expr, else $fallback:expr) => {{
        macro_rules! call_with {
            ($type:ty) => {{
                type $sample = $type;
                $call
            }};
        }
        match $format {
            cpal::SampleFormat::I8 => call_with!(i8),
            cpal::SampleFormat::I16 => call_with!(i16),
            cpal::SampleFormat::I24 => call_with!(cpal::I24),
            cpal::SampleFormat::I32 => call_with!(i32),
            cpal::SampleFormat::I64 => call_with!(i64),
            cpal::SampleFormat::U8 => call_with!(u8),
            cpal::SampleFormat::U16 => call_with!(u16),
            cpal::SampleFormat::U24 => call_with!(cpal::U24),
            cpal::SampleFormat::U32 => call_with!(u32),
            cpal::SampleFormat::U64 => call_with!(u64),
            cpal::SampleFormat::F32 => call_with!(f32),
            cpal::SampleFormat::F64 => call_with!(f64),
            _ => $fallback,
        }
    }};
}

pub(crate) use with_sample_type;
