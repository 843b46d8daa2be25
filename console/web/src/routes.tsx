import { useTranslation } from 'react-i18next'
import { useRouteError, type RouteObject } from 'react-router'
import { Centre, Operators, SignedIn, SignedOut } from './shell/Gate'
import { page } from './shell/lazyPage'
import { ButtonLink } from './ui/Button'
import { Failure } from './ui/Feedback'
import { adminRoutes } from './pages/admin'
import { accountRoutes } from './pages/account'
import { ForgotPassword } from './pages/auth/ForgotPassword'
import { SignIn } from './pages/auth/SignIn'
import { SignUp } from './pages/auth/SignUp'
import { dataRoutes } from './pages/data'
import { setupRoutes } from './pages/setup'

export const routes: RouteObject[] = [
  {
    errorElement: <Broken />,
    children: [
      {
        element: <SignedOut />,
        children: [
          { path: 'sign-in', element: <SignIn /> },
          { path: 'sign-up', element: <SignUp /> },
          { path: 'forgot-password', element: <ForgotPassword /> },
        ],
      },
      {
        element: <SignedIn />,
        children: [
          {
            element: page(() => import('./shell/Shell')),
            children: [
              {
                errorElement: <Broken inside />,
                children: [
                  ...dataRoutes,
                  ...setupRoutes,
                  ...accountRoutes,
                  { path: 'admin', element: <Operators />, children: adminRoutes },
                ],
              },
            ],
          },
        ],
      },
      { path: '*', element: <Nothing /> },
    ],
  },
]

function Nothing() {
  const { t } = useTranslation()
  return <Centre><h1>{t('notFoundTitle')}</h1><p className="soft">{t('notFoundText')}</p><ButtonLink to="/">{t('home')}</ButtonLink></Centre>
}

/** A page that threw, or whose code could not be loaded (a newer version is running). */
function Broken({ inside = false }: { inside?: boolean }) {
  const error = useRouteError()
  if (inside) return <div className="page"><Failure error={error} retry={() => location.reload()} /></div>
  return <Centre><Failure error={error} retry={() => location.reload()} /></Centre>
}
