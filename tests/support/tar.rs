//! A tar archive of a few files, enough for the root file system of an image (POSIX ustar).

/// An archive under construction; paths are relative, at most 100 bytes.
#[derive(Default)]
pub struct Tar {
    bytes: Vec<u8>,
}

impl Tar {
    pub fn directory(&mut self, path: &str, mode: u32) {
        self.header(path, mode, b'5', "", 0);
    }

    pub fn symlink(&mut self, path: &str, target: &str) {
        self.header(path, 0o777, b'2', target, 0);
    }

    pub fn file(&mut self, path: &str, mode: u32, content: &[u8]) {
        self.header(path, mode, b'0', "", content.len());
        self.bytes.extend_from_slice(content);
        self.bytes.resize(self.bytes.len().next_multiple_of(512), 0);
    }

    pub fn finish(mut self) -> Vec<u8> {
        self.bytes.resize(self.bytes.len() + 1024, 0);
        self.bytes
    }

    fn header(&mut self, path: &str, mode: u32, kind: u8, target: &str, size: usize) {
        assert!(path.len() <= 100 && target.len() <= 100, "{path}: too long for a ustar header");
        let mut block = [0_u8; 512];
        let mut put = |at: usize, text: &str| block[at..at + text.len()].copy_from_slice(text.as_bytes());
        put(0, path);
        put(100, &format!("{mode:07o}"));
        put(108, "0000000");
        put(116, "0000000");
        put(124, &format!("{size:011o}"));
        put(136, "00000000000");
        // The sum counts its own field as spaces.
        put(148, "        ");
        put(157, target);
        put(257, "ustar");
        put(263, "00");
        block[156] = kind;
        let sum: u32 = block.iter().copied().map(u32::from).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        self.bytes.extend_from_slice(&block);
    }
}
