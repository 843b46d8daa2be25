import { Auth } from './auth'

export const metadata = { title: 'Orders' }
export const dynamic = 'force-dynamic' // the server's address is read when a page is asked for

export default function Layout({ children }) {
  const { TURKEY_URL = 'http://localhost:3000', APP_ID = 'shop' } = process.env
  return <html lang="en"><body><Auth baseUrl={TURKEY_URL} appId={APP_ID}>{children}</Auth></body></html>
}
