//! Output of containers without a terminal: Docker puts eight bytes before each piece, one for the source, four for the
//! length. The pieces are passed on as they arrive, so that a long one takes no more memory than a short one.

use bytes::{Buf, Bytes, BytesMut};

use crate::runtime::streams::{Chunk, Source};

const HEADER: usize = 8;

/// Takes output apart.
#[derive(Debug)]
pub(super) enum Output {
    /// A terminal's: there is nothing to take apart.
    Raw,
    /// Of two sources.
    Framed(Frames),
}

impl Output {
    /// Of a process with a terminal, or of one without.
    pub(super) fn new(tty: bool) -> Self {
        if tty {
            Self::Raw
        } else {
            Self::Framed(Frames::default())
        }
    }

    /// The pieces of output in `part`, which follows the parts before.
    pub(super) fn take(&mut self, part: Bytes) -> Vec<Chunk> {
        match self {
            Self::Raw => vec![Chunk {
                source: Source::Stdout,
                data: part,
            }],
            Self::Framed(frames) => frames.take(part),
        }
    }
}

/// Where in the frames we are.
#[derive(Debug, Default)]
pub(super) struct Frames {
    header: BytesMut,
    /// Of the frame that has begun, the source and the bytes that are still to come.
    open: Option<(Source, usize)>,
}

impl Frames {
    fn take(&mut self, mut part: Bytes) -> Vec<Chunk> {
        let mut chunks = Vec::new();
        while !part.is_empty() {
            if let Some((source, left)) = &mut self.open {
                let data = part.split_to((*left).min(part.len()));
                *left -= data.len();
                let source = *source;
                self.open = self.open.filter(|(_, left)| *left > 0);
                chunks.push(Chunk { source, data });
                continue;
            }
            let missing = HEADER - self.header.len();
            self.header
                .extend_from_slice(&part.split_to(missing.min(part.len())));
            if self.header.len() == HEADER {
                let frame = begun(self.header.split().freeze());
                self.open = Some(frame).filter(|(_, length)| *length > 0);
            }
        }
        chunks
    }
}

/// One byte of source, three of nothing, four of length.
fn begun(mut header: Bytes) -> (Source, usize) {
    let source = match header.get_u8() {
        2 => Source::Stderr,
        _ => Source::Stdout,
    };
    header.advance(3);
    (
        source,
        usize::try_from(header.get_u32()).unwrap_or(usize::MAX),
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame((stderr, data): &(bool, Vec<u8>)) -> Vec<u8> {
        let mut frame = vec![1 + u8::from(*stderr), 0, 0, 0];
        frame.extend_from_slice(&u32::try_from(data.len()).unwrap().to_be_bytes());
        frame.extend_from_slice(data);
        frame
    }

    /// All that was written to each source.
    fn joined(chunks: &[Chunk], source: Source) -> Vec<u8> {
        let of_source = chunks.iter().filter(|chunk| chunk.source == source);
        of_source.flat_map(|chunk| chunk.data.to_vec()).collect()
    }

    proptest! {
        #[test]
        fn wherever_the_connection_cuts_each_source_gets_what_was_written_to_it(
            pieces in prop::collection::vec((any::<bool>(), prop::collection::vec(any::<u8>(), 0..20)), 0..10),
            cut in 1_usize..13,
        ) {
            let wire: Vec<u8> = pieces.iter().flat_map(frame).collect();
            let mut output = Output::new(false);
            let parts = wire.chunks(cut).map(Bytes::copy_from_slice);
            let chunks: Vec<Chunk> = parts.flat_map(|part| output.take(part)).collect();
            for (source, stderr) in [(Source::Stdout, false), (Source::Stderr, true)] {
                let written: Vec<u8> = pieces
                    .iter()
                    .filter(|(to, _)| *to == stderr)
                    .flat_map(|(_, data)| data.clone())
                    .collect();
                prop_assert_eq!(joined(&chunks, source), written);
            }
        }
    }

    #[test]
    fn the_output_of_a_terminal_is_passed_on_as_it_is() {
        let part = Bytes::from_static(&[2, 0, 0, 0, 0, 0, 0, 1]);
        let chunks = Output::new(true).take(part.clone());
        assert_eq!(joined(&chunks, Source::Stdout), part);
    }
}
