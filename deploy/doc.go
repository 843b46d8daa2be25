// Package deploy holds what brings TurKey to a machine: units, objects for Kubernetes, proxies in front, dashboards. It has no
// code; its tests start the program as those files do, and follow the operations guide line by line.
package deploy
