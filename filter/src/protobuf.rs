//! As much of Protocol Buffers as the host's functions need: one message written, one flag read.

const LENGTH_DELIMITED: u8 = 2;

/// A message whose fields 1, 2, 3, … are `fields`, all of them bytes or text. At most fifteen, so
/// that a tag is one byte; the callers have four.
pub(crate) fn message(fields: &[&[u8]]) -> Vec<u8> {
    const LENGTH_BYTES: usize = 5;
    let size = fields.iter().map(|field| field.len().saturating_add(LENGTH_BYTES));
    let mut message = Vec::with_capacity(size.fold(0, usize::saturating_add));
    for (number, field) in (1_u8..16).zip(fields) {
        message.push((number << 3) | LENGTH_DELIMITED);
        push_varint(&mut message, field.len());
        message.extend_from_slice(field);
    }
    message
}

/// Whether the message begins with field 1 and it is the flag `true`.
pub(crate) fn first_field_is_true(message: &[u8]) -> bool {
    message.starts_with(&[0x08, 0x01])
}

fn push_varint(message: &mut Vec<u8>, mut number: usize) {
    loop {
        let [low, ..] = number.to_le_bytes();
        number >>= 7;
        if number == 0 {
            message.push(low & 0x7f);
            return;
        }
        message.push(low | 0x80);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_numbered_from_one_and_carry_their_length() {
        assert_eq!(message(&[b"ab", b""]), [0x0a, 2, b'a', b'b', 0x12, 0]);
        let long = vec![7; 300];
        let encoded = message(&[&long]);
        assert_eq!(encoded.get(..3), Some([0x0a, 0xac, 0x02].as_slice()));
        assert_eq!(encoded.get(3..), Some(long.as_slice()));
    }

    #[test]
    fn only_an_explicit_yes_is_one() {
        assert!(first_field_is_true(&[0x08, 0x01]));
        for no in [&[][..], &[0x08], &[0x08, 0x00], &[0x12, 0x01, b'x'], &[0x00, 0x08, 0x01]] {
            assert!(!first_field_is_true(no), "{no:?}");
        }
    }
}
