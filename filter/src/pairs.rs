//! Headers as the Proxy-Wasm ABI passes them: read in place, and written.
//!
//! The form is a count, then for each header the lengths of name and value, then all of them with a
//! zero byte after each; numbers are 32 bits, little-endian. Reading never fails half-way: whatever
//! does not fit the form as a whole is no header map, and whoever asked refuses the request.

/// Headers to send.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Pairs {
    count: u32,
    lengths: Vec<u8>,
    texts: Vec<u8>,
}

impl Pairs {
    /// No headers.
    pub(crate) const fn new() -> Self {
        Self { count: 0, lengths: Vec::new(), texts: Vec::new() }
    }

    /// With one more. A name or value longer than 4 GiB cannot exist in a VM of 4 GiB and is left
    /// out.
    #[must_use]
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        if let (Ok(name_size), Ok(value_size)) =
            (u32::try_from(name.len()), u32::try_from(value.len()))
        {
            self.count = self.count.saturating_add(1);
            self.lengths.extend(name_size.to_le_bytes());
            self.lengths.extend(value_size.to_le_bytes());
            for text in [name, value] {
                self.texts.extend(text.as_bytes());
                self.texts.push(0);
            }
        }
        self
    }

    /// The serialized form.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        [self.count.to_le_bytes().as_slice(), &self.lengths, &self.texts].concat()
    }
}

/// Calls `each` with the name and value of each header in `map`; `None` if `map` is not of the
/// form.
pub(crate) fn for_each<'a>(map: &'a [u8], mut each: impl FnMut(&'a [u8], &'a [u8])) -> Option<()> {
    const LENGTHS_BYTES: usize = 8;
    if map.is_empty() {
        return Some(()); // Envoy's form of no headers at all.
    }
    let (count, rest) = map.split_first_chunk::<4>()?;
    let lengths_bytes = size(*count)?.checked_mul(LENGTHS_BYTES)?;
    let (lengths, mut texts) = rest.split_at_checked(lengths_bytes)?;
    let (lengths, _) = lengths.as_chunks::<LENGTHS_BYTES>();
    for [a, b, c, d, e, f, g, h] in lengths {
        let (name, after_name) = text(texts, size([*a, *b, *c, *d])?)?;
        let (value, after_value) = text(after_name, size([*e, *f, *g, *h])?)?;
        texts = after_value;
        each(name, value);
    }
    texts.is_empty().then_some(())
}

fn size(bytes: [u8; 4]) -> Option<usize> {
    usize::try_from(u32::from_le_bytes(bytes)).ok()
}

/// The text of `size` bytes at the start of `texts`, and what follows the zero byte after it.
fn text(texts: &[u8], size: usize) -> Option<(&[u8], &[u8])> {
    let (text, rest) = texts.split_at_checked(size)?;
    match rest.split_first() {
        Some((0, rest)) => Some((text, rest)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(map: &[u8]) -> Option<Vec<(Vec<u8>, Vec<u8>)>> {
        let mut headers = Vec::new();
        for_each(map, |name, value| headers.push((name.to_vec(), value.to_vec()))).map(|()| headers)
    }

    #[test]
    fn what_is_written_is_read() {
        let map = Pairs::new().with(":path", "/a").with("x", "").bytes();
        let expected = [(b":path".to_vec(), b"/a".to_vec()), (b"x".to_vec(), Vec::new())];
        assert_eq!(read(&map), Some(expected.to_vec()));
        assert_eq!(read(&Pairs::new().bytes()), Some(Vec::new()));
        assert_eq!(read(&[]), Some(Vec::new()));
    }

    #[test]
    fn bytes_that_are_not_text_are_read_as_they_are() {
        let map = [1, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, b'a', 0, 0xff, 0, 0];
        assert_eq!(read(&map), Some(vec![(b"a".to_vec(), vec![0xff, 0])]));
    }

    #[test]
    fn a_map_cut_anywhere_is_none() {
        let map = Pairs::new().with(":path", "/a").with("x", "y").bytes();
        for end in 1..map.len() {
            assert_eq!(read(&map[..end]), None, "{end}");
        }
        assert_eq!(read(&[map.as_slice(), &[0]].concat()), None);
    }

    #[test]
    fn a_map_with_any_one_byte_changed_is_read_or_refused_but_never_beyond_its_end() {
        let map = Pairs::new().with(":path", "/a").with("x", "y").bytes();
        for place in 0..map.len() {
            for byte in [0, 1, 0x7f, 0xff] {
                let mut changed = map.clone();
                changed[place] = byte;
                read(&changed);
            }
        }
        assert_eq!(read(&[0xff; 64]), None);
    }
}
