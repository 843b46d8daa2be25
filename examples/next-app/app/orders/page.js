import { getTurKeyUser } from '@turkey/sdk/next'
import { headers } from 'next/headers'
import { SignOut } from './sign-out'

export default async function Orders() {
  const user = getTurKeyUser({ headers: await headers() }) // the proxy has verified the token
  return <p>{user.email}, {user.role} <SignOut /></p>
}
