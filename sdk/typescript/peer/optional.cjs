// React is an optional peer: servers use the same entry without it.
exports.peer = () => {
  try {
    return require('react')
  } catch {
    return undefined
  }
}
