use std::io::Write as _;

use super::*;

const SIZE: Size = Size {
    width_px: 4,
    height_px: 2,
};

fn device() -> Device {
    let mut clip = tempfile::NamedTempFile::new().unwrap();
    clip.write_all(b"YUV4MPEG2 W4 H2 F30:1\nFRAME\nabcdefghuuvv")
        .unwrap();
    let options = CameraOptions {
        clip: clip.path().to_owned(),
        device: "/nonexistent".into(),
        formats: vec![PixelFormat::Yuyv, PixelFormat::Mjpg],
        sizes: vec![Size {
            width_px: 8,
            height_px: 4,
        }],
        rates_hz: vec![30, 15],
        control: None,
    };
    Device::new(&options).unwrap()
}

fn ask(device: &mut Device, handle: Handle, number: u32, words: &[u32]) -> Answer {
    let argument = Fields::new().words(words).padded_to(208);
    device.ioctl(handle, number, &argument, false)
}

fn word(answer: &Answer, offset: usize) -> u32 {
    let Done(bytes) = answer else {
        panic!("{answer:?}")
    };
    word_at(bytes, offset)
}

#[test]
fn a_format_that_is_not_offered_becomes_the_nearest_one() {
    let mut device = device();
    let answer = ask(&mut device, 1, request::S_FMT, &[1, 0, 7, 5, 0x1234]);
    assert_eq!(
        [8, 12, 16].map(|at| word(&answer, at)),
        [8, 4, PixelFormat::Yuyv.fourcc()]
    );
    let answer = ask(&mut device, 1, request::G_FMT, &[1]);
    assert_eq!([8, 12].map(|at| word(&answer, at)), [8, 4]);
    let answer = ask(&mut device, 1, request::S_PARM, &[1, 0, 0, 1, 17]);
    assert_eq!(word(&answer, 16), 15);
}

#[test]
fn one_program_streams_and_others_are_told_that_it_is_busy() {
    let mut device = device();
    assert_eq!(
        word(&ask(&mut device, 1, request::REQBUFS, &[4, 1, 1]), 0),
        4
    );
    assert_eq!(
        ask(&mut device, 2, request::REQBUFS, &[4, 1, 1]),
        Error(libc::EBUSY)
    );
    assert_eq!(
        ask(&mut device, 1, request::S_FMT, &[1]),
        Error(libc::EBUSY)
    );
    assert_eq!(
        ask(&mut device, 2, request::STREAMON, &[1]),
        Error(libc::EINVAL)
    );
    device.release(1);
    assert_eq!(
        word(&ask(&mut device, 2, request::REQBUFS, &[2, 1, 1]), 0),
        2
    );
}

#[test]
fn frames_come_in_time_and_not_while_it_stalls() {
    let mut device = device();
    ask(&mut device, 1, request::REQBUFS, &[2, 1, 1]);
    ask(&mut device, 1, request::QBUF, &[0, 1]);
    ask(&mut device, 1, request::STREAMON, &[1]);
    assert_eq!(
        ask(&mut device, 1, request::DQBUF, &[0, 1]),
        Error(libc::EAGAIN)
    );
    let due = device.next_at().unwrap();
    device.is_stalled = true;
    assert!(!device.tick(due).unwrap());
    device.is_stalled = false;
    let due = device.next_at().unwrap();
    assert!(device.tick(due).unwrap());
    assert_eq!(device.has_frame(1), Some(true));
    assert_eq!(device.has_frame(2), None, "another program's");
    let answer = ask(&mut device, 1, request::DQBUF, &[0, 1]);
    assert_eq!(
        word(&answer, 8) as usize,
        PixelFormat::Yuyv.buffer_len(SIZE)
    );
    ask(&mut device, 1, request::STREAMOFF, &[1]);
    assert_eq!(device.next_at(), None);
}

#[test]
fn what_it_does_not_know_is_refused() {
    let mut device = device();
    for number in 0..=255 {
        // Garbage as the argument must never panic.
        device.ioctl(1, number, &[], false);
        device.ioctl(1, number, &[0xff; 208], true);
    }
    assert_eq!(ask(&mut device, 1, 200, &[]), Error(libc::ENOTTY));
    assert_eq!(
        ask(&mut device, 1, request::QUERYCTRL, &[]),
        Error(libc::EINVAL)
    );
}
