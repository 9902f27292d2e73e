package keystore

import "slices"

// bmp is a password as PKCS #12 hashes it: UTF-16, big-endian, with a zero at the end (RFC 7292 appendix B.1).
func bmp(password string) []byte { return append(utf16Bytes(password), 0, 0) }

// derive makes n bytes from a password (RFC 7292 appendix B.2): a key (use 1), an initialisation vector (2), or the key
// of a MAC (3).
func derive(s scheme, use byte, password []byte, n int) []byte {
	hash := s.hash()
	v := hash.BlockSize()
	input := append(repeated(s.salt, v), repeated(password, v)...)
	diversifier := slices.Repeat([]byte{use}, v)
	var out []byte
	for {
		hash.Reset()
		hash.Write(diversifier)
		hash.Write(input)
		sum := hash.Sum(nil)
		for range s.iterations - 1 {
			hash.Reset()
			hash.Write(sum)
			sum = hash.Sum(sum[:0])
		}
		if out = append(out, sum...); len(out) >= n {
			return out[:n]
		}
		advance(input, slices.Repeat(sum, v/len(sum)+1)[:v])
	}
}

// repeated is data again and again, up to the next multiple of v bytes.
func repeated(data []byte, v int) []byte {
	if len(data) == 0 {
		return nil
	}
	want := (len(data) + v - 1) / v * v
	return slices.Repeat(data, want/len(data)+1)[:want]
}

// advance adds b and one to each block of the input, as large numbers.
func advance(input, b []byte) {
	for block := range slices.Chunk(input, len(b)) {
		carry := 1
		for i := len(b) - 1; i >= 0; i-- {
			carry += int(block[i]) + int(b[i])
			block[i] = byte(carry)
			carry >>= 8
		}
	}
}
