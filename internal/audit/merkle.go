package audit

import "crypto/sha256"

// hashSize is that of SHA-256, of leaves, roots and seals alike.
const hashSize = sha256.Size

// Leaves and inner nodes are hashed apart (RFC 6962 §2.1), so that none passes for the other.
const (
	leafMark = 0x00
	nodeMark = 0x01
)

func leafHash(content []byte) (h [hashSize]byte) {
	return sha256.Sum256(append([]byte{leafMark}, content...))
}

// rootHash is the Merkle tree hash of RFC 6962 §2.1 over leaves that are hashed already.
func rootHash(leaves [][hashSize]byte) [hashSize]byte {
	switch len(leaves) {
	case 0:
		return sha256.Sum256(nil)
	case 1:
		return leaves[0]
	}
	half := 1
	for half*2 < len(leaves) {
		half *= 2
	}
	left, right := rootHash(leaves[:half]), rootHash(leaves[half:])
	node := append(append([]byte{nodeMark}, left[:]...), right[:]...)
	return sha256.Sum256(node)
}
