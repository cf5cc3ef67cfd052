//! What encoding and authenticating a frame cost on a Cortex-M4: flash, stack, instructions. The emulator counts
//! instructions exactly, so a figure moves only with the code or the compiler.

use halo_tests::Failure;
use halo_tests::board::{self, Board};

/// Most stack that encoding a frame may take on the board, bytes, every call and saved register included: 504 when this was
/// written (`small`, a jittering clock), 160 of them the tally that finds the cheapest codes.
const STACK_MAX: u32 = 512;

/// What a frame may cost in one profile: figures of rustc 1.95 and about 4 % more, which is for another compiler to use.
struct Limits {
    profile: &'static str,
    /// Bytes of flash: 15,088 and 10,004.
    encoder: u32,
    /// Instructions a sample, by clock and plan.
    encode: [(&'static str, u32); 4],
    /// Most instructions for a code, by its kind, on the larger frame.
    seal: [(&'static str, u32); 3],
    /// Most stack for a code, bytes, by its kind.
    seal_stack: [(&'static str, u32); 3],
    /// Bytes of flash that Ed25519 adds.
    signatures: u32,
}

const LIMITS: [Limits; 2] = [
    Limits {
        profile: "release",
        encoder: 15_700,
        encode: [("regular best", 299), ("regular fixed", 129), ("jittering best", 326), ("jittering fixed", 156)],
        seal: [("mac8", 37_500), ("mac16", 37_500), ("ed25519", 3_100_000)],
        seal_stack: [("mac8", 900), ("mac16", 900), ("ed25519", 3_300)],
        signatures: 125_000,
    },
    Limits {
        profile: "small",
        encoder: 10_400,
        encode: [("regular best", 309), ("regular fixed", 135), ("jittering best", 337), ("jittering fixed", 163)],
        seal: [("mac8", 38_500), ("mac16", 38_500), ("ed25519", 3_260_000)],
        seal_stack: [("mac8", 1_024), ("mac16", 1_024), ("ed25519", 3_072)],
        signatures: 122_000,
    },
];

#[test]
fn encoding_a_frame_on_a_cortex_m_keeps_within_its_stack_and_its_instructions() -> Result<(), Failure> {
    if !board::is_here() {
        return Ok(());
    }
    for Limits { profile, encode, .. } in LIMITS {
        let said = Board::run(&board::image("figures", profile, &[])?)?;
        println!("{profile}:\n{said}");
        assert_eq!(said.lines().count(), encode.len(), "{said}");
        for (case, instructions_max) in encode {
            let line = said.lines().find(|line| line.starts_with(case)).ok_or("a case is missing")?;
            within(profile, line, "stack", STACK_MAX)?;
            within(profile, line, "instructions", instructions_max)?;
        }
    }
    Ok(())
}

#[test]
fn the_encoder_keeps_within_its_flash_on_a_cortex_m() -> Result<(), Failure> {
    if !board::is_here() {
        return Ok(());
    }
    for Limits { profile, encoder, .. } in LIMITS {
        let with = board::flash(&board::image("size_with", profile, &[])?)?;
        let without = board::flash(&board::image("size_without", profile, &[])?)?;
        let line = format!("encoder: flash {}", with - without);
        println!("{profile} {line}");
        within(profile, &line, "flash", encoder)?;
    }
    Ok(())
}

#[test]
fn an_authentication_code_keeps_within_its_costs_on_a_cortex_m_and_ed25519_costs_only_who_asks_for_it()
-> Result<(), Failure> {
    if !board::is_here() {
        return Ok(());
    }
    for Limits { profile, seal, seal_stack, signatures, .. } in LIMITS {
        let without = board::flash(&board::image("codes", profile, &[])?)?;
        let image = board::image("codes", profile, &["ed25519"])?;
        let flash = format!("ed25519: flash {}", board::flash(&image)? - without);
        let said = Board::run(&image)?;
        println!("{profile}:\n{said}{flash}");
        within(profile, &flash, "flash", signatures)?;
        assert_eq!(said.lines().count(), 2 * seal.len(), "two sizes of frames: {said}");
        for line in said.lines() {
            within(profile, line, "instructions", of_kind(line, seal)?)?;
            within(profile, line, "stack", of_kind(line, seal_stack)?)?;
            within(profile, line, "adds", of_kind(line, [("mac8", 10), ("mac16", 18), ("ed25519", 66)])?)?;
        }
    }
    Ok(())
}

fn of_kind(line: &str, limits: [(&str, u32); 3]) -> Result<u32, Failure> {
    let limit = limits.into_iter().find(|(kind, _)| line.split_whitespace().next() == Some(kind));
    Ok(limit.ok_or_else(|| format!("no such kind of code: {line}"))?.1)
}

/// Holds the number after `label` against its limit. Far below, the image has not done the work.
fn within(profile: &str, line: &str, label: &str, max: u32) -> Result<(), Failure> {
    let word = line.split_whitespace().skip_while(|word| *word != label).nth(1);
    let value: u32 = word.ok_or_else(|| format!("no {label} in {line:?}"))?.parse()?;
    assert!((max / 4..=max).contains(&value), "{profile}: {label} is {value}, limit {max}: {line}");
    Ok(())
}
