package db

// What the tests of this package look at and nobody else needs.
var (
	IsOutage      = isOutage
	Outage        = outage
	TooOld        = tooOld
	LatestVersion = latestVersion

	PreparedTables = preparedTables
)

// CreateRoles and PreparedMark are parts of the file for psql.
const (
	CreateRoles  = createRoles
	PreparedMark = preparedMark
)
