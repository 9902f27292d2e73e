package kernel

// Attribute numbers of linux/netfilter/nf_tables.h that golang.org/x/sys/unix lacks.
const (
	nftaChainID       = 11
	nftaChainUserdata = 12

	nftaRulePositionID = 10
	nftaRuleChainID    = 11

	nftaSetHandle      = 16
	nftaSetExpr        = 17
	nftaSetExpressions = 18
	nftaSetType        = 19 // kernel 6.16: the backend's name, chosen by the kernel
	nftaSetCount       = 20 // kernel 6.16: elements now

	nftaElemKeyEnd      = 10
	nftaElemExpressions = 11

	nftaDynsetExpr        = 7
	nftaDynsetExpressions = 10

	nftaObjHandle   = 6
	nftaObjPad      = 7
	nftaObjUserdata = 8

	nftaFlowtableTable  = 1
	nftaFlowtableName   = 2
	nftaFlowtableUse    = 4
	nftaFlowtableHandle = 5
	nftaFlowtablePad    = 6

	nftaQuotaFlags    = 2
	nftaQuotaPad      = 3
	nftaQuotaConsumed = 4
)

// Flags of linux/netfilter/nf_tables.h that golang.org/x/sys/unix lacks.
const (
	nftTableOwner   = 2 // kernel 5.12
	nftTablePersist = 4 // kernel 6.9
	nftaTableOwner  = 7

	nftSetConcat = 0x80 // userspace's hint that the key is a concatenation

	nftQuotaDepleted = 2 // state, not configuration

	nftObjectCounter = 1
	nftObjectQuota   = 2
)
