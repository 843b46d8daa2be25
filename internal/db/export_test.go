package db

// What the tests of this package look at and nobody else needs.
var (
	IsOutage      = isOutage
	Outage        = outage
	TooOld        = tooOld
	LatestVersion = latestVersion
)
