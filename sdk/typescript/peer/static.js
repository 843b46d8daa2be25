// For Rollup and Vite, which leave a require() inside try as it is; a missing optional peer they bear.
import * as React from 'react'

export const peer = () => React
