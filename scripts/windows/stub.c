#include <stdio.h>
#include <windows.h>
#include <wchar.h>
typedef int (*pymain)(int, wchar_t**);
int wmain(int argc, wchar_t **argv){
  HMODULE h=LoadLibraryW(PYTHON); if(!h){ fprintf(stderr,"no Python DLL %lu\n",GetLastError()); return 99;}
  pymain m=(pymain)GetProcAddress(h,"Py_Main"); return m(argc,argv);
}
