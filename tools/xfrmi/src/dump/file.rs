// SPDX-License-Identifier: GPL-2.0

//! The pcapng file that is written.

use std::{
    borrow::Cow,
    collections::HashMap,
    io::{BufWriter, Write},
    time::{Duration, SystemTime},
};

use pcap_file::{
    DataLink, PcapError, PcapResult,
    pcapng::{
        PcapNgWriter,
        blocks::{
            enhanced_packet::{EnhancedPacketBlock, EnhancedPacketOption},
            interface_description::{InterfaceDescriptionBlock, InterfaceDescriptionOption},
            section_header::{SectionHeaderBlock, SectionHeaderOption},
        },
    },
};

use super::event::Event;

/// Times are in nanoseconds: ten to the power of minus this.
const RESOLUTION: u8 = 9;

/// The directions, as `epb_flags` has them.
const INBOUND: u32 = 1;
const OUTBOUND: u32 = 2;

pub struct File {
    writer: PcapNgWriter<BufWriter<Box<dyn Write>>>,
    /// The numbers that devices have in the file, by their indices and names.
    numbers: HashMap<(u32, String), u32>,
    snaplen: u32,
}

impl File {
    pub fn new(to: Box<dyn Write>, snaplen: u32) -> PcapResult<Self> {
        let program = concat!("xfrmi ", env!("CARGO_PKG_VERSION"));
        let section = SectionHeaderBlock {
            options: vec![SectionHeaderOption::UserApplication(Cow::Borrowed(program))],
            ..SectionHeaderBlock::default()
        };
        let writer = PcapNgWriter::with_section_header(BufWriter::new(to), section)?;
        Ok(Self {
            writer,
            numbers: HashMap::new(),
            snaplen,
        })
    }

    /// Describes a device, unless that is done.
    pub fn device(&mut self, index: u32, name: &str) -> PcapResult<u32> {
        let key = (index, name.to_owned());
        if let Some(number) = self.numbers.get(&key) {
            return Ok(*number);
        }
        let number = u32::try_from(self.numbers.len()).unwrap_or(u32::MAX);
        self.writer.write_pcapng_block(InterfaceDescriptionBlock {
            linktype: DataLink::RAW,
            snaplen: self.snaplen,
            options: vec![
                InterfaceDescriptionOption::IfName(Cow::Borrowed(name)),
                InterfaceDescriptionOption::IfTsResol(RESOLUTION),
            ],
        })?;
        self.numbers.insert(key, number);
        Ok(number)
    }

    pub fn packet(&mut self, event: &Event<'_>, device: &str, tenant: &str) -> PcapResult<()> {
        let interface_id = self.device(event.ifindex, device)?;
        let (word, flag) = if event.is_out {
            ("out", OUTBOUND)
        } else {
            ("in", INBOUND)
        };
        let comment = match event.if_id {
            Some(if_id) => format!("if_id {if_id} {tenant} {word}"),
            None => format!("{tenant} {word}"),
        };
        self.writer.write_pcapng_block(EnhancedPacketBlock {
            interface_id,
            timestamp: event
                .time
                .duration_since(SystemTime::UNIX_EPOCH)
                .unwrap_or(Duration::ZERO),
            original_len: event.length,
            data: Cow::Borrowed(event.packet),
            options: vec![
                EnhancedPacketOption::Comment(Cow::Owned(comment)),
                EnhancedPacketOption::Flags(flag),
            ],
        })?;
        Ok(())
    }

    pub fn flush(&mut self) -> PcapResult<()> {
        self.writer.get_mut().flush().map_err(PcapError::IoError)
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::RefCell, rc::Rc};

    use pcap_file::pcapng::{Block, PcapNgReader};

    use super::*;

    #[derive(Clone, Default)]
    struct Sink(Rc<RefCell<Vec<u8>>>);

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.borrow_mut().extend(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_is_written_can_be_read() {
        let sink = Sink::default();
        let mut file = File::new(Box::new(sink.clone()), 64).unwrap();
        let mut event = Event {
            time: SystemTime::UNIX_EPOCH + Duration::new(1_700_000_000, 5),
            ifindex: 9,
            if_id: Some(7),
            is_out: true,
            length: 200_000,
            packet: &[0x45; 63],
        };
        file.packet(&event, "ipsec", "red").unwrap();
        event.if_id = None;
        event.is_out = false;
        file.packet(&event, "ipsec", "ipsec").unwrap();
        file.flush().unwrap();

        let bytes = sink.0.borrow().clone();
        let mut reader = PcapNgReader::new(bytes.as_slice()).unwrap();
        let mut found = Vec::new();
        while let Some(block) = reader.next_block() {
            found.push(block.unwrap().into_owned());
        }
        let [
            Block::InterfaceDescription(device),
            Block::EnhancedPacket(one),
            Block::EnhancedPacket(other),
        ] = found.as_slice()
        else {
            panic!("{found:?}");
        };
        assert!(
            device
                .options
                .contains(&InterfaceDescriptionOption::IfName("ipsec".into()))
        );
        assert_eq!(
            (one.interface_id, one.original_len, one.data.len()),
            (0, 200_000, 63)
        );
        assert_eq!(one.timestamp, Duration::new(1_700_000_000, 5));
        assert_eq!(
            one.options,
            [
                EnhancedPacketOption::Comment("if_id 7 red out".into()),
                EnhancedPacketOption::Flags(2)
            ]
        );
        assert_eq!(
            other.options,
            [
                EnhancedPacketOption::Comment("ipsec in".into()),
                EnhancedPacketOption::Flags(1)
            ]
        );
    }
}
