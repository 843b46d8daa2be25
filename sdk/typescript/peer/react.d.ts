import type * as React from 'react'

/** React, or undefined where it is not installed. */
export function peer(): typeof React | undefined
