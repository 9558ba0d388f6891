import './app.css'
import { QueryClient, QueryClientProvider } from '@tanstack/react-query'
import { RouterProvider } from '@tanstack/react-router'
import { StrictMode, useEffect, useState } from 'react'
import { createRoot } from 'react-dom/client'
import { ApiError, isAway, onSignedOut } from './api/client.ts'
import { Login, sessionState } from './app/login.tsx'
import { router } from './app/router.tsx'
import { applyTheme } from './app/theme.ts'

applyTheme()

const client = new QueryClient({
  defaultOptions: {
    queries: {
      // A server that restarts is asked again; a refusal stays one.
      retry: (count, error) => (isAway(error) ? count < 8 : !(error instanceof ApiError) && count < 2),
      retryDelay: n => Math.min(500 * 2 ** n, 5000),
      staleTime: 2_000,
    },
  },
})

function App() {
  const [signedIn, setSignedIn] = useState<boolean | null>(null)
  useEffect(() => {
    onSignedOut(() => setSignedIn(false))
    sessionState().then(
      s => setSignedIn(!s.required || s.signedIn),
      () => setSignedIn(true),
    )
  }, [])
  if (signedIn === null) return null
  if (!signedIn) return <Login onDone={() => (client.clear(), setSignedIn(true))} />
  return <RouterProvider router={router} />
}

createRoot(document.getElementById('root')!).render(
  <StrictMode>
    <QueryClientProvider client={client}>
      <App />
    </QueryClientProvider>
  </StrictMode>,
)
