//! Enough of ELF to say for which machine a program is, and that it needs no loader: an image without a C library
//! would answer "no such file" to one that does.

/// `PT_INTERP`: names the loader of a dynamic program.
const INTERPRETER: u32 = 3;

/// The machine of a 64-bit little-endian program without a loader, as Go calls it: `amd64` or `arm64`.
///
/// # Errors
///
/// What it is instead, in words that go after its name.
pub fn architecture_of_static(program: &[u8]) -> Result<&'static str, String> {
    let short = || "is cut off".to_owned();
    // 64 bits, little-endian.
    if !program.starts_with(b"\x7fELF\x02\x01") {
        return Err("is not a 64-bit Linux program".to_owned());
    }
    let table = number(program, 32, 8).ok_or_else(short)?;
    let (size, count) = (number(program, 54, 2), number(program, 56, 2));
    let (size, count) = size.zip(count).ok_or_else(short)?;
    for entry in 0..count {
        let kind = number(program, table.saturating_add(entry * size), 4).ok_or_else(short)?;
        if kind == u64::from(INTERPRETER) {
            return Err("needs a dynamic loader: build it for a musl target".to_owned());
        }
    }
    match number(program, 18, 2).ok_or_else(short)? {
        62 => Ok("amd64"),
        183 => Ok("arm64"),
        other => Err(format!("is for machine {other} of ELF, which is not supported")),
    }
}

fn number(program: &[u8], at: u64, bytes: usize) -> Option<u64> {
    let at = usize::try_from(at).ok()?;
    let field = program.get(at..at.checked_add(bytes)?)?;
    Some(field.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte)))
}

#[cfg(test)]
mod tests {
    use super::architecture_of_static;

    /// A header with one program header of this kind.
    fn program(machine: u8, kind: u8) -> Vec<u8> {
        let mut bytes = vec![0; 64 + 56];
        bytes[..6].copy_from_slice(b"\x7fELF\x02\x01");
        (bytes[18], bytes[32], bytes[54], bytes[56]) = (machine, 64, 56, 1);
        bytes[64] = kind;
        bytes
    }

    #[test]
    fn a_static_program_is_known_by_its_machine_and_a_dynamic_one_is_refused() {
        let told =
            |program: &[u8]| architecture_of_static(program).map_err(|fault| fault.to_owned());
        assert_eq!(told(&program(62, 1)), Ok("amd64"));
        assert_eq!(told(&program(183, 1)), Ok("arm64"));
        let dynamic = "needs a dynamic loader: build it for a musl target".to_owned();
        assert_eq!(told(&program(62, 3)), Err(dynamic));
        let other = "is for machine 8 of ELF, which is not supported".to_owned();
        assert_eq!(told(&program(8, 1)), Err(other));
        assert_eq!(told(b"#!/bin/sh"), Err("is not a 64-bit Linux program".to_owned()));
        for length in [18, 63, 66] {
            assert_eq!(told(&program(62, 1)[..length]), Err("is cut off".to_owned()), "{length}");
        }
    }
}
