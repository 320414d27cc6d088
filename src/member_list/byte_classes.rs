//! Which kinds of bytes a line contains, found in one pass. Most lines need no other check.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ByteClasses(u16);

impl ByteClasses {
    const NOT_ASCII: Self = Self(1);
    /// Includes tabs and carriage returns.
    const CONTROL: Self = Self(1 << 1);
    const COMMA: Self = Self(1 << 2);
    const QUOTE: Self = Self(1 << 3);
    pub(super) const SEMICOLON: Self = Self(1 << 4);
    pub(super) const BAR: Self = Self(1 << 5);
    const DIGIT: Self = Self(1 << 6);
    /// `e` or `E`.
    const EXPONENT: Self = Self(1 << 7);
    const DOT: Self = Self(1 << 8);
    const SIGN: Self = Self(1 << 9);
    const AT: Self = Self(1 << 10);
    const SPACE: Self = Self(1 << 11);
    const OTHER: Self = Self(1 << 12);

    pub(super) fn of(line: &[u8]) -> Self {
        Self(
            line.iter()
                .fold(0, |classes, byte| classes | CLASS_OF_BYTE[usize::from(*byte)]),
        )
    }

    pub(super) fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    fn has_only(self, others: Self) -> bool {
        self.0 & !others.0 == 0
    }

    pub(super) fn is_ascii(self) -> bool {
        !self.has(Self::NOT_ASCII)
    }

    /// ASCII without anything that a CSV file gives a meaning.
    pub(super) fn is_plain(self) -> bool {
        const SPECIAL: ByteClasses = ByteClasses::NOT_ASCII
            .or(ByteClasses::CONTROL)
            .or(ByteClasses::COMMA)
            .or(ByteClasses::QUOTE);
        !self.has(SPECIAL)
    }

    pub(super) fn has_space(self) -> bool {
        self.has(Self::SPACE)
    }

    /// Neither a number nor an address.
    pub(super) fn is_words(self) -> bool {
        !self.has(Self::DIGIT.or(Self::AT))
    }

    /// Digits with an `e`, and nothing else that a number does not have.
    pub(super) fn may_have_exponent(self) -> bool {
        const NUMBER: ByteClasses = ByteClasses::DECIMAL
            .or(ByteClasses::EXPONENT)
            .or(ByteClasses::COMMA);
        self.has(Self::EXPONENT) && self.has(Self::DIGIT) && self.has_only(NUMBER)
    }

    pub(super) fn may_be_decimal(self) -> bool {
        self.has(Self::DOT) && self.has_only(Self::DECIMAL)
    }

    const DECIMAL: Self = Self::DIGIT.or(Self::DOT).or(Self::SIGN);
}

const CLASS_OF_BYTE: [u16; 256] = {
    let mut classes = [0; 256];
    let mut byte = 0_u8;
    loop {
        let class = match byte {
            0x80.. => ByteClasses::NOT_ASCII,
            0..=0x1f | 0x7f => ByteClasses::CONTROL,
            b',' => ByteClasses::COMMA,
            b'"' => ByteClasses::QUOTE,
            b';' => ByteClasses::SEMICOLON,
            b'|' => ByteClasses::BAR,
            b'0'..=b'9' => ByteClasses::DIGIT,
            b'e' | b'E' => ByteClasses::EXPONENT,
            b'.' => ByteClasses::DOT,
            b'+' | b'-' => ByteClasses::SIGN,
            b'@' => ByteClasses::AT,
            b' ' => ByteClasses::SPACE,
            _ => ByteClasses::OTHER,
        };
        classes[byte as usize] = class.0;
        if byte == u8::MAX {
            break;
        }
        byte += 1;
    }
    classes
};
