// SPDX-License-Identifier: GPL-2.0

//! How much larger ESP makes a packet, as `xfrm_state_mtu()` and `esp_init_state()` of the kernel
//! reckon.

use netlink_packet_xfrm::{
    XfrmAttrs,
    constants::{AF_INET6, IPPROTO_ESP},
};

use crate::xfrm::Mode;

/// SPI and sequence number.
const ESP_HEADER: u32 = 8;
const UDP_HEADER: u32 = 8;
/// The length of the padding, and the next header.
const ESP_TRAILER: u32 = 2;
/// Padding is to a multiple of this at least.
const ALIGNMENT: u32 = 4;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Overhead {
    /// In front of what is encrypted: of the outer packet, of ESP, and the IV.
    header: u32,
    /// The value that says whether it is authentic.
    icv: u32,
    /// What the encrypted part is a multiple of.
    block: u32,
    /// The header that stays outside in transport and BEET mode.
    outside: u32,
}

impl Overhead {
    /// Of a state; nothing if it is not ESP, or what it does is not known here.
    pub fn new(protocol: u8, mode: Mode, family: u16, attributes: &[XfrmAttrs]) -> Option<Self> {
        if protocol != IPPROTO_ESP {
            return None;
        }
        let ip = if family == AF_INET6 { 40 } else { 20 };
        let (mut cipher, mut icv, mut udp) = (None, 0, 0);
        for attribute in attributes {
            match attribute {
                XfrmAttrs::EncryptionAlgAead(aead) => {
                    (cipher, icv) = (iv_and_block(&aead.alg_name), aead.alg_icv_len / 8);
                }
                XfrmAttrs::EncryptionAlg(one) => cipher = iv_and_block(&one.alg_name),
                XfrmAttrs::AuthenticationAlgTrunc(auth) => icv = auth.alg_trunc_len / 8,
                XfrmAttrs::EncapsulationTemplate(_) => udp = UDP_HEADER,
                _ => {}
            }
        }
        let (iv, block) = cipher?;
        let (outer, outside) = match mode {
            Mode::Tunnel => (ip, 0),
            Mode::Transport => (0, ip),
            _ => return None,
        };
        Some(Self {
            header: outer + ESP_HEADER + iv + udp,
            icv,
            block,
            outside,
        })
    }

    /// The largest packet that gets into one of so many bytes.
    pub fn inside(&self, mtu: u32) -> Option<u32> {
        let encrypted = mtu.checked_sub(self.header + self.icv + self.outside)?;
        (encrypted / self.block * self.block + self.outside).checked_sub(ESP_TRAILER)
    }
}

/// The lengths in bytes of an IV and of a block.
fn iv_and_block(name: &[u8]) -> Option<(u32, u32)> {
    let name = name.split(|byte| *byte == 0).next()?;
    let (iv, block) = match std::str::from_utf8(name).ok()? {
        "ecb(cipher_null)" | "cipher_null" => (0, 1),
        "cbc(aes)" | "aes" | "cbc(camellia)" | "cbc(twofish)" | "cbc(serpent)" | "cbc(sm4)" => {
            (16, 16)
        }
        "cbc(des3_ede)" | "des3_ede" | "cbc(blowfish)" | "blowfish" | "cbc(cast5)" => (8, 8),
        // Stream ciphers, most of them with authentication.
        "rfc3686(ctr(aes))"
        | "rfc3686(ctr(sm4))"
        | "rfc4106(gcm(aes))"
        | "rfc4309(ccm(aes))"
        | "rfc4543(gcm(aes))"
        | "rfc7539esp(chacha20,poly1305)" => (8, 1),
        _ => return None,
    };
    Some((iv, block.max(ALIGNMENT)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_end_with_a_zero() {
        let mut name = [0; 64];
        name[..8].copy_from_slice(b"cbc(aes)");
        assert_eq!(iv_and_block(&name), Some((16, 16)));
        assert_eq!(iv_and_block(b"rot13"), None);
    }

    #[test]
    fn as_the_kernel_reckons() {
        // AES-GCM with 16 bytes of ICV in an IPv4 tunnel.
        let gcm = Overhead {
            header: 36,
            icv: 16,
            block: 4,
            outside: 0,
        };
        assert_eq!(gcm.inside(1500), Some(1446));
        assert_eq!(gcm.inside(20), None);
        // AES-CBC with 16 bytes in IPv6.
        let cbc = Overhead {
            header: 64,
            icv: 16,
            block: 16,
            outside: 0,
        };
        assert_eq!(cbc.inside(1500), Some(1406));
    }
}
